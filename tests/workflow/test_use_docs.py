"""Every Python snippet of the README and of docs/use.md runs, and every line there that needs no extra, in order."""

from contextlib import nullcontext

import pytest

from reid.__main__ import COMMANDS
from tests.finished_run import write_folder
from tests.pages import blocks_of, run_reid


@pytest.fixture
def pages(monkeypatch):
    """How many gallery images and queries each page has that is opened: all but the page itself, which needs gradio."""
    opened = []
    monkeypatch.setattr("reid.commands.browse.require_gradio", lambda: None)
    monkeypatch.setattr("reid.commands.browse.listening", nullcontext)
    monkeypatch.setattr(
        "reid.commands.browse.serve", lambda session, _: opened.append((len(session.gallery), len(session.queries)))
    )
    return opened


@pytest.fixture
def folder(people, config, tmp_path, monkeypatch):
    write_folder(tmp_path, people, config)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_runs(folder, pages):
    used = set()
    for block in blocks_of(__file__):
        if block.language == "python":
            exec(compile(block.code, block.page, "exec"), {})
        else:
            used |= {run_reid(line) for line in block.lines}
    assert used == set(COMMANDS) - {"show", "import-official", "export", "index"}
    assert pages == [(2, 3), (2, 2), (2, 2)]
    for name in ("hits.csv", "hits.png", "photos.npz", "photos.parquet"):
        assert (folder / name).stat().st_size
