"""The whole workflow on a few rendered people, with the real stages and the shipped PifPaf network."""

import csv
import json
import math
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from PIL import Image

from reid import load
from tests.pages import BLOCKS, USE, blocks_of, run_in_shell
from tests.workflow.conftest import real_run

pytestmark = pytest.mark.slow


def test_the_table_has_a_number_in_every_row(tiny_demo):
    with open(tiny_demo / "results/tables/demo.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert (tiny_demo / "results/tables/demo.md").read_text().count("|") > 12


@pytest.mark.parametrize("model", ["small", "bot_small"])
def test_both_models_are_packed(tiny_demo, model):
    assert load(tiny_demo / f"results/synthetic/{model}/pack", "cpu").pack.name == f"synthetic/{model}"


def test_metrics_hold_every_matching_of_the_model(tiny_demo):
    metrics = json.loads((tiny_demo / "results/synthetic/small/metrics.json").read_text())
    assert {"default", "no_visibility", "each/global", "each/head"} <= set(metrics["results"])
    assert 0 < metrics["results"]["default"]["mAP"]["mean"] <= 1


@pytest.mark.parametrize("picture", ["parsing/five.qc.png", "small/ranking.png", "small/attention.png"])
def test_pictures_can_be_opened(tiny_demo, picture):
    with Image.open(tiny_demo / "results/synthetic" / picture) as image:
        image.load()


def test_a_new_user_finds_in_the_gallery_what_eq_9_finds(tiny_demo, tmp_path):
    """The page's own preparation and search, against the formula on what the run kept of the same images."""
    (tmp_path / "results").symlink_to(tiny_demo / "results")
    (search, *_) = (line for block in BLOCKS if (block.page, block.heading) == (USE, "Search") for line in block.lines)
    prepare = [block.code for block in blocks_of(__file__)]
    run_in_shell(tmp_path, *prepare, f"{search} --top 1000 --output hits.json")
    run = tiny_demo / "results/synthetic"
    keys = {path.read_bytes(): f"query/{path.name}" for path in (run / "source/query").iterdir()}
    query, same, other = (keys[(tmp_path / name).read_bytes()] for name in ("query.jpg", "a.jpg", "b.jpg"))
    assert query[:11] == same[:11] != other[:11]
    found = {Path(hit["image"]).name: hit["distance"] for hit in json.loads((tmp_path / "hits.json").read_text())}
    known = eq_9(run / "small/seed1/embeddings.h5", query)
    assert len(known) > 20
    assert list(found.values()) == sorted(found.values())
    assert {name: found[name] for name in known} == pytest.approx(known, rel=1e-5, abs=1e-5)


def eq_9(embeddings: Path, query: str) -> dict[str, float]:
    """The distance of each gallery image, by its name, to a query: a loop over foreground and parts."""
    with h5py.File(embeddings) as file:
        stored = {split: [file[split][name][:] for name in ("key", "features", "visibility")] for split in file}
    keys, features, visible = stored["query"]
    row, distances = keys.tolist().index(query.encode()), {}
    for key, others, seen in zip(*stored["gallery"], strict=True):
        both = [part for part in range(1, len(seen)) if visible[row, part] and seen[part]]
        apart = [math.dist(features[row, part], others[part]) for part in both]
        distances[Path(key.decode()).name] = float(np.mean(apart))
    return distances


def test_nothing_half_written_is_left(tiny_demo):
    assert not list(tiny_demo.rglob("*.part"))
    assert not list((tiny_demo / "results/synthetic/parsing").glob("fields/*"))
    kept = {path.name for path in (tiny_demo / "state").rglob("*") if path.is_file()}
    assert kept == {"lock", "model.safetensors", "history.csv"}  # links to what was trained


def test_a_second_run_does_nothing(tiny_demo):
    result = real_run(tiny_demo)
    assert "Nothing to be done" in result.stdout + result.stderr
