"""Every Python snippet of the README and of docs/use.md runs, and every line there that needs no extra, in order."""

import pytest

from reid.__main__ import COMMANDS
from tests.finished_run import write_folder
from tests.pages import blocks_of, run_reid


@pytest.fixture
def folder(people, config, tmp_path, monkeypatch):
    write_folder(tmp_path, people, config)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_runs(folder):
    used, known = set(), {}
    for block in blocks_of(__file__):
        if block.language == "python":
            known[block.heading] = {}
            exec(compile(block.code, block.page, "exec"), known[block.heading])
        else:
            used |= {run_reid(line) for line in block.lines}
    assert used == set(COMMANDS) - {"show", "import-official", "export", "index", "browse"}
    assert known["Tracks"]["tracks"].names == ["7", "8"]
    for name in ("hits.csv", "hits.png", "photos.npz", "photos.parquet"):
        assert (folder / name).stat().st_size
