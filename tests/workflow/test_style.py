"""Files that must agree with one another, and the linters' silence."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reid.config.root import json_schema

PROJECT = Path(__file__).resolve().parents[2]


def test_the_schema_is_the_one_of_the_types():
    """Else: make schema."""
    assert json.loads((PROJECT / "workflow/schemas/config.schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("arguments", [["snakemake", "--lint"], ["snakefmt", "--check", "workflow"]])
def test_workflow_files_pass(arguments):
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [["check", "."], ["format", "--check", "."]])
def test_python_files_pass(arguments):
    result = subprocess.run([sys.executable, "-m", "ruff", *arguments], cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_all_environments_pin_the_same_versions():
    pinned = dict(line.split("==") for line in lines("envs/constraints.txt"))
    for name in lines("envs/requirements.txt"):
        assert name in pinned
    for file in ("envs/reid.yaml", "envs/parsing.yaml"):
        for name, version in re.findall(r"- (\S+)==(\S+)", (PROJECT / file).read_text()):
            assert pinned[name] == version, f"{file}: {name}"


def lines(file: str) -> list[str]:
    text = (PROJECT / file).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]
