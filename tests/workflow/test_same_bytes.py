"""The same run twice is the same bytes: every file of the demo, made by other processes under other hash seeds."""

from pathlib import Path

import pytest

from artefacts.files import sha256_of
from tests.workflow.conftest import copy_with_tiny_demo, real_run

pytestmark = pytest.mark.slow


def digests(folder: Path) -> dict[str, str]:
    """Of every result by its path, but of the pages that show how long each job took."""
    paths = [path for path in (folder / "results").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256_of(path) for path in paths if "account" not in path.name}


def test_the_demo_twice_is_the_same_bytes(tiny_demo, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    folder = copy_with_tiny_demo(tmp_path)
    assert real_run(folder).returncode == 0
    first, second = digests(tiny_demo), digests(folder)
    assert first.keys() == second.keys()
    assert {path for path in first if first[path] != second[path]} == set()
    assert {Path(path).suffix for path in first} >= {".h5", ".safetensors", ".csv", ".json", ".png", ".svg", ".md"}
