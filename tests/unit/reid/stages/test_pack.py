"""Stage pack leaves a folder that says what is in it, and that loads."""

import json

import pytest

import reid
from reid.checkpoints.store import save_model
from reid.config.stages import PackConfig
from reid.config.training import Model
from tests.packs import trained
from tests.people import stage

MEASURES = {name: {"mean": 0.5, "spread": 0.02} for name in ("rank-1", "rank-5", "mAP", "mINP")}


@pytest.fixture
def options(config, tmp_path):
    known, settings = trained(config)
    told = PackConfig.of(config, "synthetic", "small").model_dump(mode="json") | {
        "model": settings.model_dump(mode="json")
    }
    save_model(tmp_path / "model.safetensors", known.network.state_dict(), Model.of(settings), known.part_names, 7, {})
    (tmp_path / "metrics.json").write_text(json.dumps({"seeds": [1, 2], "results": {"default": MEASURES}}))
    (tmp_path / "default.json").write_text(json.dumps({"results": {"default": {"measures": {}}}}))
    files = {"model": "model.safetensors", "metrics": "metrics.json", "evaluation": "default.json", "pack": "pack"}
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
