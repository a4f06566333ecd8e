"""A network made ready to embed computes what it computed in training's evaluation mode."""

import copy
import json

import pytest
import torch
from torch import nn

from reid.checkpoints.store import new_model
from reid.config.root import ModelInUse
from reid.data.samples import TestBatch
from reid.embeddings.extract import embed
from reid.embeddings.inference import folded, make_ready

CPU = torch.device("cpu")


@pytest.fixture
def settings(config) -> ModelInUse:
    return ModelInUse.of(config.model("small"))


def trained(settings: ModelInUse, name: str, levels: list[int]):
    """A network whose batch normalisations have seen something."""
    weightless = settings.backbone.model_dump() | {"name": name, "levels": levels, "weights": None}
    entry = json.loads(settings.model_dump_json()) | {"backbone": weightless, "size": [64, 32]}
    settings = ModelInUse.model_validate_json(json.dumps(entry))
    torch.manual_seed(0)
    network = new_model(settings, 5, 7).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network, settings


def batch() -> TestBatch:
    pixels = torch.randint(0, 256, (3, 3, 64, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TestBatch(pixels, torch.arange(3), torch.arange(3), ["a.jpg", "b.jpg", "c.jpg"])


@pytest.mark.parametrize(
    ("name", "levels", "folded"),
    [
        ("regnetx_002", [2, 3, 4], False),  # its normalisation is of timm's own type
        ("resnet18", [4], True),
        pytest.param("hrnet_w18_small", [1, 2, 3, 4], True, marks=pytest.mark.slow),
    ],
)
def test_what_is_embedded_stays_the_same(settings, name, levels, folded):
    network, settings = trained(settings, name, levels)
    ready = make_ready(copy.deepcopy(network), settings, CPU)
    before, after = (embed(one, batch(), settings, CPU) for one in (network, ready))
    for first, second in ((before.features, after.features), (before.score, after.score)):
        torch.testing.assert_close(torch.from_numpy(second), torch.from_numpy(first), rtol=1e-4, atol=1e-5)
    if folded:
        assert not any(type(module) is nn.BatchNorm2d for module in ready.backbone.modules())


def test_bfloat16_is_near_and_leaves_float32_arrays(settings):
    network, settings = trained(settings, "resnet18", [4])
    exact = embed(make_ready(copy.deepcopy(network), settings, CPU), batch(), settings, CPU)
    halved = settings.model_copy(update={"embedding_precision": "bfloat16"})
    near = embed(make_ready(network, halved, CPU), batch(), halved, CPU)
    assert near.features.dtype == near.score.dtype == exact.features.dtype
    difference = torch.from_numpy(near.features - exact.features).norm() / torch.from_numpy(exact.features).norm()
    assert 0 < difference < 0.02


class Wayward(nn.Module):
    """A network whose path depends on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

    def forward(self, images):
        return self.layers(images) if images.sum() > 0 else images


def test_a_network_that_cannot_be_traced_is_used_as_it_is():
    network = Wayward().eval()
    assert folded(network) is network
