import torch
from timm.models import FeatureInfo, register_model
from torch import nn

from reid.checkpoints.store import new_model
from reid.config.root import Model
from tests.contributing.conftest import configured


class Levels(nn.Sequential):
    """What timm's feature extractors are: a module that gives a list of levels, and says what they are."""

    feature_info = FeatureInfo([{"num_chs": 32, "reduction": 8, "module": "0"}], out_indices=(0,))

    def forward(self, images):
        return [super().forward(images)]


@register_model
def patches(**_):
    return Levels(nn.Conv2d(3, 32, kernel_size=8, stride=8), nn.ReLU())


def test_a_backbone_is_a_name_that_timm_knows():
    entry = {"extends": "small", "backbone": {"name": "patches", "weights": None, "levels": [0]}}
    network = new_model(Model.of(configured(models={"mine": entry}).model("mine")), parts=5, identities=7)
    output = network(torch.randn(2, 3, 128, 64))
    assert output.embeddings["parts"].shape == (2, 5, 32)
    assert output.attention.shape == (2, 6, 16, 8)
