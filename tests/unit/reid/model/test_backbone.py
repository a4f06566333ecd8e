"""Options of a backbone on networks that have what they ask for, and on networks that have not."""

import copy

import pytest
import torch
from torch import nn

from artefacts.errors import UserError
from reid.model.backbone import build_backbone
from reid.model.pointwise import take_cells_first

SIZE = (64, 32)


def build(name: str, levels: tuple[int, ...] = (-1,), last_stride=None, **options):
    return build_backbone(name, levels, last_stride, pretrained=False, size=SIZE, **options).eval()


def features(backbone: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return backbone(torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))).levels[-1]


@pytest.mark.parametrize("name", ["resnet18", "resnet10t", "skresnet18", "regnetx_002", "pvt_v2_b0"])
@pytest.mark.parametrize("last_stride", [1, "auto"])
def test_the_last_stride_is_taken_out_where_there_is_one(name, last_stride):
    backbone = build(name, last_stride=last_stride)
    assert backbone.stride == 16
    assert features(backbone).shape[2:] == (4, 2)


@pytest.mark.parametrize(
    "name",
    [
        "convnext_atto",  # its patches do not overlap
        "vit_tiny_patch16_224",  # has none
        "mobilenetv2_050",  # has none in its last level
        "dla46x_c",  # joins maps of both sizes behind it
        "ese_vovnet19b_slim_dw",  # its pooling would cut the border off
    ],
)
def test_other_networks_stay_as_timm_builds_them(name):
    auto, plain = build(name, last_stride="auto"), build(name)
    plain.load_state_dict(auto.state_dict())
    assert auto.stride == plain.stride
    torch.testing.assert_close(features(auto), features(plain))
    with pytest.raises(UserError, match=f"last level of {name} has no stride to take out; set auto or null"):
        build(name, last_stride=1)


@pytest.mark.parametrize(
    ("name", "levels", "message"),
    [
        ("regnetx_002", (3, 9), "timm's regnetx_002 has levels 0 to 4, none 9"),
        ("vit_tiny_patch16_224", (11, 12), "timm's vit_tiny_patch16_224 has levels 0 to 11, none 12"),
    ],
)
def test_a_level_that_is_not_there(name, levels, message):
    with pytest.raises(UserError, match=message):
        build(name, levels)


def test_a_network_that_does_not_take_such_images():
    message = r"models\.\*\.size: .* no images of 64x32 \(.*\); set it to \[224, 224\], timm's own, or name another"
    with pytest.raises(UserError, match=message):
        build("efficientformer_l1")


def test_a_name_that_timm_does_not_know():
    with pytest.raises(UserError, match=r"timm has no network 'resnet51' \(like it: resnet51q, resnet50"):
        build("resnet51")


@pytest.mark.parametrize("option", [{"ibn": "a"}, {"non_local": True}])
def test_blocks_of_another_kind_than_a_resnet_s(option):
    with pytest.raises(UserError, match="only a ResNet has it"):
        build("skresnet18", **option)


def test_strided_pointwise_convolutions_compute_the_same_without_a_stride():
    plain = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2), nn.Conv2d(8, 8, 1, stride=2, bias=False)).double()
    safe = copy.deepcopy(plain)
    take_cells_first(safe)
    assert {layer.stride for layer in safe} == {(1, 1)}
    image = torch.rand(2, 3, 9, 6, dtype=torch.double)
    for network in (plain, safe):
        network(image).square().sum().backward()
    torch.testing.assert_close(safe(image), plain(image))
    for one, other in zip(safe.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    assert all(layer.stride == (1, 1) for layer in build("fastvit_t8").modules() if _pointwise(layer))


def _pointwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.in_channels < 16
