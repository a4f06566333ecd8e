"""A copy of the project whose demo has "run": Snakemake ran every job, with stages that only write their outputs."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from reid.config.files import CONFIGURATION
from tests.configuration import copy_configuration

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("artefacts", "envs", "parsing", "reid", "workflow")
# Stands in for `python -m reid.stages STAGE --option path …`: a path that is not there is an output, and gets content.
STUB = """#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in --config|--state|--known) shift ;;
    --pack) [ ! -d "$2" ] || for name in model.safetensors config.json README.md; do
        echo "$CONTENT $name" > "$2/$name"; done ;;
    --*) [ -e "$2" ] || case "$2" in
        results/*) mkdir -p "$(dirname "$2")"; echo "$CONTENT $2" > "$2" ;; esac ;; esac
    shift
done
"""


@dataclass(frozen=True)
class Workflow:
    """A copy of the project in which Snakemake can be run."""

    folder: Path

    def snakemake(self, *arguments: str, content: str = "first") -> subprocess.CompletedProcess:
        """The finished process of a run with stub stages, on two cores."""
        path = os.pathsep.join([str(self.folder / "stub"), str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.folder,
            env={**os.environ, "PATH": path, "CONTENT": content},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def planned(self, *targets: str) -> "Plan":
        """What a dry run would do."""
        result = self.snakemake("--dry-run", *targets)
        assert result.returncode == 0, result.stdout + result.stderr
        return Plan(result.stdout + result.stderr)

    def refusal(self, *arguments: str) -> list[str]:
        """The lines about an error that a dry run stops with."""
        result = self.snakemake("--dry-run", *arguments)
        assert result.returncode != 0
        noise = ("Using workflow specific profile", "Assuming unrestricted", "Building DAG")
        return [line for line in (result.stdout + result.stderr).splitlines() if line and not line.startswith(noise)]

    def configure(self, old: str, new: str) -> None:
        """Replace a piece of the configuration, in the first of its files that holds it."""
        self.edit(next(name for name in CONFIGURATION if old in (self.folder / name).read_text()), old, new)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the first occurrence of a text that must be there."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))


@dataclass(frozen=True)
class Plan:
    """A dry run's report."""

    text: str

    @property
    def rules(self) -> set[str]:
        """Names of the rules that would run, without `all`."""
        table = self.text.partition("Job stats:")[2].partition("total")[0]
        return set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE)) - {"all"}

    @property
    def jobs(self) -> list[str]:
        """Messages of the jobs that would run."""
        return re.findall(r"^Job \d+: (.+?)(?: \(progress.*)?$", self.text, re.MULTILINE)


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    copy_configuration(folder)
    write(folder / "resources/pifpaf/small.safetensors", "weights")
    write(folder / "stub/python", STUB).chmod(0o755)
    result = Workflow(folder).snakemake("--resources", "gpu=2")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def workflow(finished_project: Path, tmp_path: Path) -> Workflow:
    """A finished workflow of the test's own, to edit."""
    return Workflow(shutil.copytree(finished_project, tmp_path / "project"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after the real demo on 12 identities, one epoch."""
    folder = copy_with_tiny_demo(tmp_path_factory.mktemp("demo"))
    result = real_run(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def copy_with_tiny_demo(folder: Path) -> Path:
    """A copy of the project, whose demo has 12 identities and trains one epoch."""
    for name in (*COPIED, "resources"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    config["datasets"]["synthetic"]["synthetic"] |= {"identities": 12, "images": 6, "distractors": 4}
    config["models"]["small"]["training"] |= {"epochs": 1, "ids_per_batch": 3, "images_per_id": 2}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    copy_configuration(folder)
    return folder


def real_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The finished process of a run with the real stages, on two cores."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--resources", "gpu=2", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
