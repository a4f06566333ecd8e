"""Stage pack leaves a folder that says what is in it, and that loads."""

import json
import re
import shutil

import pytest

import reid
from artefacts.manifest import read_manifest
from reid.config.stages import PackConfig
from tests.packs import trained, write_run
from tests.pages import blocks_in
from tests.people import stage


def told(config, dataset: str) -> dict:
    """What the stage is told of `small` on a dataset, with the network of these tests."""
    _, settings = trained(config)
    return PackConfig.of(config, dataset, "small").model_dump(mode="json") | {"model": settings.model_dump(mode="json")}


@pytest.fixture
def options(config, tmp_path):
    write_run(tmp_path, config)
    files = {
        "model": "seed1/model.safetensors",
        "metrics": "metrics.json",
        "evaluation": "seed1/default.json",
        "pack": "pack",
    }
    return {"config": told(config, "synthetic")} | {name: tmp_path / file for name, file in files.items()}


def test_the_pack_loads_and_its_card_says_what_it_is(options):
    assert stage("pack", **options) == 0
    model = reid.load(options["pack"], "cpu")
    assert (model.pack.name, model.pack.seed, model.parts[0]) == ("synthetic/small", 1, "head")
    assert model.pack.matching.embeddings == ["foreground", "parts"]
    assert set(model.pack.provenance["inputs"]) == {"model", "metrics", "evaluation"}
    card = (options["pack"] / "README.md").read_text()
    for words in (
        "# synthetic/small",
        "50.0 ± 2.0",
        "On synthetic, in percent, mean of the seeds 1:",
        "- trained on: synthetic\n",
        "- weights of seed: 1\n",
        "rendered by this project",
        "must not be used for",
        "recipe: paper",
        f"Code `{model.pack.provenance['code']}`",
    ):
        assert words in card


def test_the_card_says_what_the_data_ask(options, config):
    assert stage("pack", **options | {"config": told(config, "occluded_duke")}) == 0
    card = (options["pack"] / "README.md").read_text()
    assert "- trained on: occluded_duke\n" in card
    _, terms = card.split("## Terms of the data\n\n")
    assert terms.startswith(
        "- `occluded_duke` (trained and measured on): images of DukeMTMC, which its authors withdrew"
    )
    assert "academic research only" in terms


def test_the_snippet_of_the_card_runs(options, people, tmp_path, monkeypatch, capsys):
    assert stage("pack", **options) == 0
    (snippet,) = [one.code for one in blocks_in("card", (options["pack"] / "README.md").read_text())]
    folder = tmp_path / re.search(r"load\(.(.+?).\)", snippet)[1]
    folder.parent.mkdir(parents=True)
    options["pack"].rename(folder)
    images = re.findall(r'"([\w/]+\.jpg)"', snippet)
    for row, name in zip(read_manifest(people.manifest, "query"), images, strict=False):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(people.root / row.key, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(compile(snippet, "card", "exec"), {})
    distances = [float(one) for one in re.findall(r"[\d.]+", capsys.readouterr().out)]
    seen = reid.load(folder).embed(images)
    assert distances == pytest.approx(seen[:1].distances(seen[1:])[0], abs=1e-3)


def test_the_calibration_of_the_evaluation_is_in_the_pack(options):
    knots = {"thresholds": {"1e-2": 1.5, "1e-3": None}, "distances": [1.0, 2.0], "probabilities": [0.9, 0.1]}
    results = {"default": {"measures": {}, "calibration": knots, "reliability": None}}
    options["evaluation"].write_text(json.dumps({"results": results}))
    assert stage("pack", **options) == 0
    told = reid.load(options["pack"], "cpu").pack.calibration
    assert told.model_dump() == {"dataset": "synthetic"} | knots


def test_the_same_pack_twice_is_the_same_bytes(options, tmp_path):
    assert stage("pack", **options) == 0
    first = {path.name: path.read_bytes() for path in options["pack"].iterdir()}
    assert stage("pack", **options | {"pack": tmp_path / "again"}) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first


def test_metrics_that_cannot_be_read_are_one_line_and_nothing_is_written(options, capsys):
    options["metrics"].write_text("torn")
    assert stage("pack", **options) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {options['metrics']}: cannot be read")
    assert not options["pack"].exists()
