"""Which build of torch `envs/setup` takes: the real pip, installing made-up wheels from folders that are indexes."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
CUDA = "Requires-Dist: nvidia-cudnn-cu13; platform_system == 'Linux'"
# Everything but torch is installed already, and openpifpaf is built.
PYTHON = """#!/bin/sh
case "$*" in *"pip install"*torchvision | *uninstall* | "-c "*metadata*) exec {real} "$@" ;; esac
[ "$1" != -c ] || echo key
"""


def pinned(name: str) -> str:
    lines = (PROJECT / "envs/constraints.txt").read_text().splitlines()
    (version,) = (line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))
    return version


def index(folder: Path, local: str, requirement: str = "") -> str:
    """Address of an index of torch and torchvision as pinned, of a local version, and of what they require."""
    wheels = {name: pinned(name) + local for name in ("torch", "torchvision")} | {
        "nvidia-cudnn-cu13": pinned("nvidia-cudnn-cu13")
    }
    for name, version in wheels.items():
        (folder / name).mkdir(parents=True)
        stem = f"{name.replace('-', '_')}-{version}"
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        files = {
            "METADATA": about + (requirement if name == "torch" else "") + "\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "".join(f"{stem}.dist-info/{file},,\n" for file in ("METADATA", "WHEEL", "RECORD")),
        }
        with zipfile.ZipFile(folder / name / f"{stem}-py3-none-any.whl", "w") as archive:
            for file, content in files.items():
                archive.writestr(f"{stem}.dist-info/{file}", content)
        (folder / name / "index.html").write_text(f'<a href="{stem}-py3-none-any.whl">{stem}-py3-none-any.whl</a>')
    return folder.as_uri()


@pytest.fixture
def machine(tmp_path):
    """Sets up in an environment with nothing but pip, of a machine whose pip knows an index of torch with CUDA."""
    real = tmp_path / "real"
    subprocess.run([sys.executable, "-m", "venv", real], check=True)
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").write_text(PYTHON.format(real=real / "bin/python"))
    (tmp_path / "venv/bin/python").chmod(0o755)
    usual = index(tmp_path / "usual", "", CUDA)
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": usual, "PIP_EXTRA_INDEX_URL": usual, "PIP_RETRIES": "0"}
    settings |= {"BPBREID_WHEELS": str(tmp_path / "wheels"), "BPBREID_CXX": "true"}
    (built := tmp_path / "wheels/openpifpaf-vita-0.14.2-key").mkdir(parents=True)
    (built / "one.whl").touch()

    def set_up(torch: str, cpu: str = "") -> tuple[subprocess.CompletedProcess, dict[str, str]]:
        text = (PROJECT / "envs/setup").read_text().replace("https://download.pytorch.org/whl/cpu", cpu)
        text = text.replace('envs=$(cd "$(dirname "$0")" && pwd)', f"envs={PROJECT}/envs")
        environment = os.environ | settings | {"TORCH": torch}
        command = ["bash", "-c", text, "setup", tmp_path / "venv"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        listed = subprocess.check_output(
            [real / "bin/python", "-m", "pip", "list", "--format", "json"], env=environment
        )
        found = {one["name"]: one["version"] for one in json.loads(listed)}
        return result, {name: found[name] for name in ("torch", "torchvision") if name in found}

    return set_up


def test_the_build_for_cpus_is_preferred_to_that_of_further_indexes(machine, tmp_path):
    result, found = machine("cpu", index(tmp_path / "cpu", "+cpu"))
    assert result.returncode == 0, result.stderr
    assert found == {name: f"{pinned(name)}+cpu" for name in ("torch", "torchvision")}


def test_cuda_from_a_further_index_is_not_taken_for_the_build_for_cpus(machine, tmp_path):
    result, found = machine("cpu", (tmp_path / "away").as_uri())
    assert result.returncode == 1
    assert f"error: pip had nothing from {(tmp_path / 'away').as_uri()} and took a torch with CUDA" in result.stderr
    assert not found
    result, found = machine("")
    assert result.returncode == 0, result.stderr
    assert found == {name: pinned(name) for name in ("torch", "torchvision")}
    result, found = machine("cpu", (tmp_path / "away").as_uri())
    assert result.returncode == 1
    assert "has a torch with CUDA; remove it and set up anew: rm -r " in result.stderr
    assert found


def test_another_index_may_have_cuda(machine, tmp_path):
    result, found = machine(index(tmp_path / "cu126", "+cu126", CUDA))
    assert result.returncode == 0, result.stderr
    assert found["torch"] == f"{pinned('torch')}+cu126"
