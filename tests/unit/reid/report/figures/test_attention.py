"""Embedding a batch, and the picture of labels next to attention."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from artefacts.manifest import read_manifest
from artefacts.palette import PART_COLOURS
from reid.checkpoints.store import new_model
from reid.config.root import Model, ModelInUse
from reid.data.loading import embedding_loader
from reid.embeddings.extract import embed
from reid.embeddings.store import writing
from reid.report.figures.attention import CELL, COLUMNS, coloured
from reid.report.figures.ranking_sheet import GAP, RIGHT, TITLE, WRONG
from tests.people import stage

PARTS = ["head", "arms", "torso", "legs", "feet"]


@pytest.fixture
def settings(config) -> ModelInUse:
    entry = config.model("small").model_dump(mode="json")
    entry = {name: entry[name] for name in ModelInUse.model_fields} | {"size": [64, 32], "use_bnneck_for": ["global"]}
    entry["backbone"] = {"name": "resnet10t", "weights": None, "levels": [2]}
    return ModelInUse.model_validate_json(json.dumps(entry))


@pytest.fixture
def network(settings):
    torch.manual_seed(0)
    trained = Model.model_validate_json(settings.model_dump_json(include=set(Model.model_fields)))
    return new_model(trained, parts=5, identities=4).eval()


def batches(people, split):
    yield from embedding_loader(people.root, read_manifest(people.manifest, split), (64, 32), 64, 0)


def test_what_is_kept_of_an_image(people, settings, network):
    (batch,) = batches(people, "query")
    kept = embed(network, batch, settings, torch.device("cpu"))
    with torch.inference_mode():
        images = (batch.images.float() / 255 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
            [0.229, 0.224, 0.225]
        ).view(3, 1, 1)
        output = network(images)
    expected = [output.necked["global"], output.embeddings["foreground"], *output.embeddings["parts"].unbind(1)]
    for column, features in enumerate(expected):
        np.testing.assert_allclose(kept.features[:, column], features.numpy(), atol=1e-4)
    assert kept.visibility[:, :2].all()
    strongest = output.attention[:, 1:].amax((2, 3)).numpy()
    np.testing.assert_array_equal(kept.visibility[:, 2:], strongest > settings.visibility.threshold)
    np.testing.assert_allclose(kept.score[:, 2:], strongest, atol=1e-5)
    np.testing.assert_allclose(kept.attention / 255, output.attention.numpy(), atol=0.5 / 255 + 1e-5)


def test_the_picture_frames_visible_and_hidden_parts(people, settings, network, tmp_path):
    path, picture = tmp_path / "embeddings.h5", tmp_path / "attention.png"
    with writing(path, ["global", "foreground", *PARTS], (8, 4), {}) as writer:
        for split in ("query", "gallery"):
            for batch in batches(people, split):
                kept = embed(network, batch, settings, torch.device("cpu"))
                kept.visibility[:, 2:] = np.array([True, False, True, False, True])
                writer.append(split, kept)
    config = {"root": str(people.root), "images": 3}
    assert stage("attention", config=config, embeddings=path, labels=people.labels, picture=picture) == 0
    page = np.asarray(Image.open(picture))
    assert page.shape[:2] == (GAP + TITLE + 3 * CELL[1], GAP + (len(COLUMNS) + 5) * CELL[0])
    for row in range(3):
        frames = [
            tuple(page[GAP + TITLE + row * CELL[1] + 1, GAP + (len(COLUMNS) + part) * CELL[0] + 1]) for part in range(5)
        ]
        assert frames == [RIGHT, WRONG, RIGHT, WRONG, RIGHT]


def test_labels_take_the_parts_colours_and_unknown_stays_grey():
    image = Image.new("RGB", (4, 2), (200, 100, 0))
    painted = np.asarray(coloured(image, np.array([[0, 1], [2, 255]], np.uint8)))
    assert len(set(painted[0, 0])) == 1
    assert (painted[1, 3] == painted[0, 0]).all()
    grey = int(painted[0, 0, 0])
    for pixel, colour in ((painted[0, 3], PART_COLOURS[0]), (painted[1, 0], PART_COLOURS[1])):
        np.testing.assert_allclose(pixel, 0.45 * grey + 0.55 * np.array(colour), atol=1.5)
