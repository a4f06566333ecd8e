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
    added = [f"      - {line}" for line in lines("envs/extras/faiss.txt")]
    assert lines("envs/index.yaml") == lines("envs/reid.yaml") + added


def lines(file: str) -> list[str]:
    text = (PROJECT / file).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


# Words of this project's past, in place of which the field has its own (CONTRIBUTING.md).
PAST = (
    r"\b(mend(s|ed)?|somebody|everybody|for want of|takes? no part|mercy|must_be_whole|refused_by_disk|searched_for)\b"
)


def test_words_are_the_field_s():
    """Keys of the configuration that are called otherwise now: artefacts.errors.RENAMED answers them."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.smk", "*.yaml", "*.md"], cwd=PROJECT, capture_output=True, text=True
    )
    files = [
        PROJECT / name for name in listed.stdout.split() if name not in ("CHANGELOG.md", "tests/workflow/test_style.py")
    ]
    assert files or not (PROJECT / ".git").exists()
    assert not [
        f"{file.name}: {found[0]}" for file in files for found in re.finditer(PAST, file.read_text(encoding="utf-8"))
    ]
