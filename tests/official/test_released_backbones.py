"""HRNet-W32 and ResNet-50-IBN-a are the networks of the released code."""

import pytest
import timm
import torch
from torch import nn

from artefacts.errors import UserError
from reid.config.root import BackboneConfig
from reid.model.backbone import Backbone, build_backbone
from reid.model.ibn import InstanceBatchNorm
from tests.appearance import whole

BRANCHES = (1, 2, 3, 4)


class Levels(nn.Module):
    """Given feature maps in the place of a network's."""

    def __init__(self, *maps):
        super().__init__()
        self.maps = maps
        self.feature_info = self

    def channels(self):
        return [level.shape[1] for level in self.maps]

    def reduction(self):
        return [4, 8][: len(self.maps)]

    def forward(self, images):
        return list(self.maps)


def test_hrnet_s_branches_pass_one_bottleneck_each():
    with torch.device("meta"):
        network = timm.create_model("hrnet_w32", pretrained=False, features_only=True, out_indices=BRANCHES)
    branches = [[type(block).__name__ for block in branch] for branch in network.incre_modules]
    assert branches == [["Bottleneck"]] * 4
    widths = [(branch[0].conv1.in_channels, branch[0].conv3.out_channels) for branch in network.incre_modules]
    assert widths == [(32, 128), (64, 256), (128, 512), (256, 1024)]
    assert sum(network.feature_info.channels()) == 1920
    assert network.feature_info.reduction() == [4, 8, 16, 32]


def test_what_comes_out_is_behind_those_bottlenecks():
    network = timm.create_model("hrnet_w18_small", pretrained=False, features_only=True, out_indices=BRANCHES).eval()
    seen = {}
    for number, branch in enumerate(network.incre_modules):
        branch.register_forward_hook(lambda _module, _inputs, output, number=number: seen.update({number: output}))
    with torch.inference_mode():
        levels = network(torch.randn(1, 3, 64, 32))
    assert all(torch.equal(levels[number], seen[number]) for number in range(4))


def test_coarser_branches_are_upsampled_bilinearly_corner_on_corner():
    fine, coarse = torch.randn(1, 2, 5, 3, dtype=torch.double), torch.randn(1, 1, 3, 2, dtype=torch.double)
    found = Backbone(Levels(fine, coarse))(None).product(torch.eye(3, dtype=torch.double))
    assert torch.allclose(found[:, :2], fine)
    for row in range(5):
        for column in range(3):
            y, x = row * 2 / 4, column * 1 / 2  # (cells - 1) / (raised cells - 1)
            top, left = min(int(y), 1), min(int(x), 0)
            dy, dx = y - top, x - left
            upper = (1 - dx) * coarse[0, 0, top, left] + dx * coarse[0, 0, top, left + 1]
            lower = (1 - dx) * coarse[0, 0, top + 1, left] + dx * coarse[0, 0, top + 1, left + 1]
            assert found[0, 2, row, column].item() == pytest.approx(((1 - dy) * upper + dy * lower).item(), abs=1e-12)


def standardised(values):
    return (values - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()


def test_half_the_channels_are_normalised_by_image_and_half_by_batch():
    features = torch.randn(3, 4, 5, 2, dtype=torch.double)
    found = InstanceBatchNorm(4).double()(features)
    for c in range(2):
        for n in range(3):
            assert torch.allclose(found[n, c], standardised(features[n, c]))
    for c in (2, 3):
        assert torch.allclose(found[:, c], standardised(features[:, c]))


def test_ibn_is_in_the_first_normalisation_of_levels_1_to_3():
    with torch.device("meta"):
        network = build_backbone("resnet50", (-1,), 1, pretrained=False, ibn="a").network
    found = {name: module.IN.num_features for name, module in network.named_modules() if hasattr(module, "IN")}
    blocks = {"layer1": (3, 64), "layer2": (4, 128), "layer3": (6, 256)}
    expected = {f"{level}.{n}.bn1": width // 2 for level, (count, width) in blocks.items() for n in range(count)}
    assert found == expected


def test_its_parameters_have_the_published_names():
    with torch.device("meta"):
        names = build_backbone("resnet50", (-1,), 1, pretrained=False, ibn="a").network.state_dict()
    of_block = {name.removeprefix("layer2.1.bn1.") for name in names if name.startswith("layer2.1.bn1.")}
    of_batch = {"BN.weight", "BN.bias", "BN.running_mean", "BN.running_var", "BN.num_batches_tracked"}
    assert of_block == {"IN.weight", "IN.bias"} | of_batch
    assert not [name for name in names if name.startswith("layer4") and "IN." in name]


@pytest.mark.parametrize("levels", [(-1,), (3, 4)])
def test_ibn_keeps_the_contract(levels):
    backbone = build_backbone("resnet18", levels, 1, pretrained=False, ibn="a").eval()
    with torch.inference_mode():
        assert whole(backbone(torch.zeros(1, 3, 64, 32))).shape == (1, backbone.channels, 4, 2)
    assert backbone.stride == 16


def test_ibn_in_another_network_is_refused():
    with pytest.raises(UserError, match="only a ResNet has it"):
        build_backbone("regnetx_002", (-1,), None, pretrained=False, ibn="a")


def test_weights_that_timm_does_not_have_are_refused():
    with pytest.raises(ValueError, match="no ImageNet weights with `ibn`"):
        BackboneConfig(name="resnet50", weights="imagenet", ibn="a")
