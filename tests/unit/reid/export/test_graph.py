"""The graph that is exported computes what `Extractor.embed` does, under every matching, for images of any size."""

import numpy as np
import pytest
import torch

from reid.config.report import Matching, PartThresholds
from reid.data.images import resized
from reid.export.graph import Graph
from reid.export.preprocessing import resized_to
from reid.search.extractor import Extractor, load
from tests.packs import PARTS, trained, write

MATCHINGS = [
    {"embeddings": ["foreground", "parts"], "visibility": True},
    {"embeddings": ["concatenated"], "visibility": True},
    {"embeddings": ["global", "legs", "torso"], "visibility": "soft"},
    {"embeddings": ["parts"], "visibility": {"values": dict.fromkeys(PARTS, 0.17)}},
    {"embeddings": ["foreground", "parts"], "visibility": False},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, config):
    return write(tmp_path_factory.mktemp("pack"), config)


@pytest.fixture
def model(folder) -> Extractor:
    """With a part classifier that tells cells apart."""
    model = load(folder, "cpu")
    torch.nn.init.normal_(model.network.part_classifier.weight, std=0.02)
    return model


@pytest.mark.parametrize("changes", MATCHINGS)
def test_it_gives_what_embed_gives(model, changes):
    rule = changes["visibility"]
    rule = PartThresholds(**rule) if isinstance(rule, dict) else rule
    matching = Matching.model_validate(changes | {"visibility": True}).model_copy(update={"visibility": rule})
    model.pack = model.pack.model_copy(update={"matching": matching})
    images = torch.randint(0, 256, (5, 3, 90, 40), dtype=torch.uint8, generator=torch.manual_seed(0))
    seen = model.embed(images)
    with torch.no_grad():
        features, visibility, scores, flat = (
            value.numpy() for value in Graph(model.network, model.pack, "images")(images)
        )
    assert np.abs(features - seen.features).max() < 0.02 * np.abs(seen.features).max()  # single pixels round otherwise
    assert np.abs(flat - seen.flat()).max() < 2e-3
    assert (visibility == seen.visibility).mean() > 0.9
    assert scores.shape == visibility.shape


def test_at_the_network_s_size_they_are_the_same(model):
    images = torch.randint(0, 256, (4, 3, *model.size), dtype=torch.uint8, generator=torch.manual_seed(1))
    seen = model.embed(images)
    with torch.no_grad():
        values = [value.numpy() for value in Graph(model.network, model.pack, "images")(images)]
    for found, wanted in zip(values, (seen.features, seen.visibility, seen.scores[:, 1:], seen.flat()), strict=True):
        assert np.abs(found.astype(float) - wanted).max() < 1e-4


@pytest.mark.parametrize("size", [(64, 32), (40, 90), (200, 77), (1, 1), (128, 64)])
def test_resizing_is_that_of_embedding_within_a_level(size):
    pixels = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=torch.manual_seed(2))
    wanted = resized(pixels[0].permute(1, 2, 0).numpy(), (64, 32))
    found = resized_to(pixels.float(), (64, 32), rounded=True)[0].permute(1, 2, 0).numpy()
    apart = np.abs(found - wanted)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.02


def test_stripes_are_always_visible(config, tmp_path):
    known, _ = trained(config, "pcb")
    model = load(write(tmp_path, config, "pcb"), "cpu")
    images = torch.randint(0, 256, (2, 3, *model.size), dtype=torch.uint8)
    assert known.part_names
    with torch.no_grad():
        _, visibility, *_ = Graph(model.network, model.pack, "tensors")(model.prepared(images))
    assert visibility.all()
