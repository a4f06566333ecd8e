"""Stage pack leaves a folder that says what is in it, and that loads."""

import json

import pytest

import reid
from reid.config.stages import PackConfig
from tests.packs import trained, write_run
from tests.people import stage


@pytest.fixture
def options(config, tmp_path):
    _, settings = trained(config)
    told = PackConfig.of(config, "synthetic", "small").model_dump(mode="json") | {
        "model": settings.model_dump(mode="json")
    }
    write_run(tmp_path, config)
    files = {
        "model": "seed1/model.safetensors",
        "metrics": "metrics.json",
        "evaluation": "seed1/default.json",
        "pack": "pack",
    }
    return {"config": told} | {name: tmp_path / file for name, file in files.items()}


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
        "rendered by this project",
        "must not be used for",
        "recipe: paper",
    ):
        assert words in card


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
