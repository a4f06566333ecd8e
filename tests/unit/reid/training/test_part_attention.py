"""The attention on parts in view, image by image; and its way from the weights to a matching."""

import json

import numpy as np
import pytest
import torch

from artefacts.manifest import read_manifest
from artefacts.weights import read_weights, write_weights
from parsing.store import LabelFile
from reid.checkpoints.pack import pack_of
from reid.checkpoints.store import load_model
from reid.config.root import Matching, Model, ModelInUse
from reid.data.loading import embedding_loader
from reid.data.samples import normalised
from reid.embeddings.store import reading
from reid.training import part_attention as measured
from tests.packs import trained
from tests.people import stage

PACK = {"name": "people/small", "seed": 1, "trained": {}, "provenance": {}}


@pytest.mark.parametrize("images", [1024, 7])
def test_quantiles_are_of_the_images_that_show_the_part(config, people, monkeypatch, images):
    monkeypatch.setattr(measured, "IMAGES", images)
    model, settings = trained(config)
    labels, rows = LabelFile(people.labels), read_manifest(people.manifest, "train")
    places = [round(place) for place in np.linspace(0, len(rows) - 1, min(images, len(rows)))]
    scores = {part: [] for part in labels.part_names}
    for place in places:
        (batch,) = embedding_loader(people.root, [rows[place]], settings.size, 1, 0)
        with torch.inference_mode():
            attention = model.network(normalised(batch.images)).attention[0]
        for number, part in enumerate(labels.part_names, start=1):
            if (labels.label_map(rows[place].key) == number).any():
                scores[part].append(float(attention[number].max()))
    if images > 7:
        assert len({len(values) for values in scores.values()}) > 1, "some parts are hidden in some images"
    found = measured.part_attention(
        model.network, Model.of(settings), people.root, rows, labels, torch.device("cpu")
    )  # fmt: skip
    for part, values in scores.items():
        np.testing.assert_allclose(found[part], np.quantile(values, measured.SHARES), atol=2e-5)


def test_a_part_that_no_label_shows_has_none():
    assert measured._quantiles(np.zeros(0)) is None


def test_from_training_to_a_matching(config, people, tmp_path, capsys):
    """Stages train, embed and evaluate on a few people, with a threshold for each part."""
    entry = json.loads(config.model("small").model_dump_json())
    entry |= {"size": [64, 32], "backbone": {"name": "resnet10t", "weights": None, "levels": [2]}}
    entry["training"] |= {"epochs": 1, "ids_per_batch": 4, "images_per_id": 2, "warmup_epochs": 0}
    model, history, embeddings = (tmp_path / name for name in ("m.safetensors", "h.csv", "e.h5"))
    used = {name: value for name, value in entry.items() if name not in ("scheme", "matching", "extra_matchings")}
    learnt = {name: value for name, value in used.items() if name in Model.model_fields}
    settings = {"model": learnt, "roots": {"people": str(people.root)}, "sampling": "size", "seed": 1}
    files = {"manifest": people.manifest}
    outputs = {"model": model, "history": history, "state": tmp_path / "s"}
    assert stage("train", config=settings, labels=people.labels, **files, **outputs) == 0
    assert (
        stage("embed", config={"model": used, "root": str(people.root)}, model=model, embeddings=embeddings, **files)
        == 0
    )
    known = load_model(model).part_attention
    assert set(known) == {"head", "arms", "torso", "legs", "feet"}
    with reading(embeddings) as file:
        assert file.part_attention == known
    matching = Matching(embeddings=["foreground", "parts"], visibility={"quantile": 0.5}).model_dump()
    asked = {
        "config": {"name": "calibrated", "matching": matching},
        "embeddings": embeddings,
        "metrics": tmp_path / "m.json",
    }
    assert stage("evaluate", **asked) == 0
    pack = pack_of(
        load_model(model), ModelInUse.model_validate_json(json.dumps(used)), Matching.model_validate(matching), **PACK
    )
    assert pack.matching.visibility.values == {part: values[50] for part, values in known.items()}
    weights, metadata = read_weights(model)
    for wrong in ({"head": [0.1, 0.2]}, {"head": [2.0] * 101}, ["head"]):
        write_weights(model, weights, metadata | {"part_attention": wrong})
        assert (
            stage(
                "embed", config={"model": used, "root": str(people.root)}, model=model, embeddings=embeddings, **files
            )
            == 1
        )
        assert "not a trained model of this project" in capsys.readouterr().err
