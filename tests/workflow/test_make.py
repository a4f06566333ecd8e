"""What make says when something that it cannot install itself is missing."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from tests.pages import blocks_of
from tests.slurm import MISSING

PROJECT = Path(__file__).resolve().parents[2]


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """The finished process of `envs/setup` in an empty folder."""
    command = [PROJECT / "envs/setup", folder / "venv"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def test_an_old_python_is_refused_before_anything_is_installed(tmp_path):
    (tmp_path / "python3.9").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3.9").chmod(0o755)
    result = set_up(tmp_path, PYTHON=str(tmp_path / "python3.9"))
    assert result.returncode != 0
    assert result.stderr.startswith("error: no Python 3.11 or later; install one")
    assert not (tmp_path / "venv").exists()


def test_a_missing_compiler_is_named_before_anything_is_installed(tmp_path):
    result = set_up(tmp_path, BPBREID_CXX=str(tmp_path / "c++"))
    assert result.returncode != 0
    assert result.stderr.startswith("error: no C++ compiler; install one")
    assert not (tmp_path / "venv").exists()


FAKE_PYTHON = """#!/bin/sh
echo "PATH=$PATH $*" >> "$(dirname "$0")/log"
[ "$1" != -c ] || { echo key; exit; }
for word; do [ "$last" != --wheel-dir ] || touch "$word/built.whl"; last=$word; done
"""


def told(folder: Path, **environment: str) -> list[str]:
    """Every command that `envs/setup` gives the Python of an environment, after the PATH that it has."""
    (folder / "venv/bin").mkdir(parents=True)
    (folder / "venv/bin/python").write_text(FAKE_PYTHON)
    (folder / "venv/bin/python").chmod(0o755)
    result = set_up(folder, BPBREID_WHEELS=str(folder / "wheels"), BPBREID_CXX="true", **environment)
    assert result.returncode == 0, result.stderr
    return (folder / "venv/bin/log").read_text().splitlines()


@pytest.mark.parametrize(
    ("torch", "words"),
    [
        ("", "torch torchvision"),
        ("cpu", "--no-deps --index-url https://download.pytorch.org/whl/cpu torch torchvision"),
        ("https://example.org/cu126", "--no-deps --index-url https://example.org/cu126 torch torchvision"),
    ],
)
def test_torch_comes_from_pip_s_index_unless_told_otherwise(torch, words, tmp_path):
    lines = told(tmp_path, TORCH=torch)
    (line,) = (line for line in lines if line.endswith(" torch torchvision"))
    assert line.endswith(f"envs/constraints.txt {words}")
    assert sum("--index-url" in line for line in lines) == bool(torch)


def test_an_unknown_build_of_torch_is_refused_before_anything_is_installed(tmp_path):
    result = set_up(tmp_path, TORCH="rocm")
    assert result.returncode != 0
    assert result.stderr.startswith("error: TORCH=rocm: is neither cpu nor the address of an index")
    assert not (tmp_path / "venv").exists()


def test_openpifpaf_is_built_without_debugging_information():
    command = [PROJECT / "envs/openpifpaf/cxx20", "-g", "-std=c++17", "one.cpp"]
    told = subprocess.run(
        command, env={**os.environ, "BPBREID_CXX": "echo"}, capture_output=True, text=True, check=True
    )
    assert told.stdout == "-g -std=c++20 one.cpp -g0\n"


def test_openpifpaf_is_built_where_torch_finds_ninja(tmp_path):
    (line,) = (line for line in told(tmp_path) if " -m pip wheel " in line)
    assert line.startswith(f"PATH={tmp_path}/venv/bin:")


@pytest.mark.skipif(not MISSING, reason="Slurm is installed")
def test_slurm_is_asked_for_by_its_packages_where_it_cannot_be_installed(tmp_path):
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    result = subprocess.run([PROJECT / "envs/slurm"], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr.startswith("error: Slurm is missing and only root can install it; install munge slurmctld")


def test_help_lists_every_target():
    text = (PROJECT / "Makefile").read_text()
    (phony,) = (line for line in text.splitlines() if line.startswith(".PHONY:"))
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # set where make itself runs the tests
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = {"args": ["make", "help"], "cwd": PROJECT, "env": environment}
    shown = subprocess.run(**command, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == set(phony.split()[1:])


@pytest.mark.parametrize("line", [line for block in blocks_of(__file__) for line in block.lines])
def test_the_readme_s_commands_are_run_on_every_change(line):
    assert line in (PROJECT / ".ci/run").read_text().splitlines()


@pytest.mark.parametrize("target", ["demo", "report", "seeds", "story"])
def test_snakemake_understands_what_make_tells_it(target):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--dry-run", "CORES=2", target]
    told = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60).stdout
    lines = [line.removeprefix("@") for line in told.splitlines() if line.lstrip("@").startswith("snakemake ")]
    assert lines
    for line in lines:
        arguments = get_argument_parser().parse_args(shlex.split(line)[1:])
        assert all(one.startswith("results/tables/") for one in arguments.targets), arguments.targets
