"""`reid browse` says on one line what is missing; the page itself: tests/unit/reid/browse."""

import socket
import sys
from types import SimpleNamespace

import pytest

from reid.__main__ import main


@pytest.fixture
def extra(monkeypatch):
    """As if gradio were installed."""
    monkeypatch.setitem(sys.modules, "gradio", SimpleNamespace())


def test_without_the_extra_it_is_named(monkeypatch, pack, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["browse", str(pack), "--gallery", "photos"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: reid browse needs the extra browse (")
    assert line.endswith("; use make browse, or pip install '.[browse]'")


def test_what_is_wrong_is_one_line(extra, pack, photos, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words, says in (
            ([str(pack)], "is a pack, which has no images; give --gallery FOLDER, or name the run"),
            ([str(tmp_path)], f"{tmp_path}/pack/config.json: is missing; make it: snakemake --cores 2"),
            ([str(tmp_path / "none"), "--gallery", str(photos)], "none"),
            ([str(pack), "--gallery", str(tmp_path / "f.npz")], "f.npz: no such file; make it: reid embed FOLDER"),
            ([str(pack), "--gallery", str(tmp_path / "phtos")], "phtos: no such folder"),
            ([str(pack), "--gallery", __file__], ".py: is no file of features, which ends in .npz"),
            ([str(pack), "--gallery", str(photos), "--port", port], f"--port: {port} cannot be used (Address already"),
        ):
            assert main(["browse", *(words if "--port" in words else [*words, "--port", "0"])]) == 1
            assert says in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(SystemExit):
        main(["browse", str(pack), "--port", "70000"])
