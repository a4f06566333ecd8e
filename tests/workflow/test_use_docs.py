"""Every Python snippet of the README and every line of docs/use.md runs, in the order of the page."""

import re
import shlex
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
import yaml

from artefacts.manifest import read_manifest
from reid import load
from reid.__main__ import COMMANDS, main
from reid.checkpoints.pack_format import Calibration
from reid.embeddings.store import Split, write_embeddings
from tests.configuration import copy_configuration
from tests.conftest import PROJECT
from tests.packs import ENTRY, write, write_run
from tests.unit.reid.commands.conftest import KNOTS

PAGES = "".join((PROJECT / page).read_text() for page in ("README.md", "docs/use.md"))
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGES, re.MULTILINE | re.DOTALL)


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


def write_embeddings_of(run, images):
    """The run's embeddings of so many images, which are its queries; all but the first are its gallery."""
    seen = load(run / "pack", "cpu").embed(images)
    ones, keys = np.ones(len(seen), int), [f"{number}.jpg" for number in range(len(seen))]
    stored = [keys, seen.embeddings, seen.visible, seen.scores, ones, ones, seen.attention]
    query, gallery = Split(*stored), Split(*(values[1:] for values in stored))
    path = run / "seed1/embeddings.h5"
    write_embeddings(path, seen.embedding_names, query, gallery, seen.attention.shape[2:], {})


@pytest.fixture
def folder(people, config, tmp_path, monkeypatch):
    """A folder with photographs, and with a finished run of a model of random weights and its pack."""
    images = [people.root / row.key for row in read_manifest(people.manifest, "query")]
    (tmp_path / "photos").mkdir()
    for source, target in zip(images, ["query.jpg", "a.jpg", "b.jpg", "photos/1.jpg", "photos/2.jpg"], strict=False):
        shutil.copy(source, tmp_path / target)
    copy_configuration(tmp_path)
    content = yaml.safe_load((PROJECT / "config.yaml").read_text())
    content["models"]["small"] |= ENTRY
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    run = tmp_path / "results/synthetic/small"
    write_run(run, config)
    write(run / "pack", config, calibration=Calibration(**KNOTS | {"thresholds": {"1e-3": 1.0}}))
    write_embeddings_of(run, images[:3])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_runs(folder, pages, capsys):
    used = set()
    for kind, block in BLOCKS:
        if kind == "python":
            exec(compile(block, "docs/use.md", "exec"), {})
            continue
        for line in block.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line)
            assert (program, main(words)) == ("reid", 0), capsys.readouterr().err
            used.add(words[0])
    assert used == set(COMMANDS) - {"show", "import-official", "export", "index"}
    assert pages == [(2, 3), (2, 2), (2, 2)]
    for name in ("hits.csv", "hits.png", "photos.npz", "photos.parquet"):
        assert (folder / name).stat().st_size
