"""Patches of a ViT otherwise than timm cuts them: a stem of convolutions, overlaps, grids of other images."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.checkpoints.backbones import weighted_backbone
from reid.checkpoints.position_embeddings import with_positions_of
from reid.config.root import BackboneConfig
from tests.appearance import whole
from tests.transformers import SIZE, random_weights, small_vit, vit_of


@pytest.fixture
def vit() -> nn.Module:
    return small_vit()


def ics(vit: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with a stem of convolutions under the names that TransReID-SSL's files have."""
    torch.manual_seed(2)
    instance, batch = nn.InstanceNorm2d(32, affine=True), nn.BatchNorm2d(32)
    stem = {
        "0.weight": torch.randn(64, 3, 7, 7),
        "3.weight": torch.randn(64, 64, 3, 3),
        "6.weight": torch.randn(64, 64, 3, 3),
    }
    for place, (kind, layer) in product((1, 4), (("IN", instance), ("BN", batch))):
        stem |= {f"{place}.{kind}.{name}": tensor for name, tensor in layer.state_dict().items()}
    stem |= {f"7.{name}": tensor for name, tensor in nn.BatchNorm2d(64).state_dict().items()}
    weights = vit | {f"patch_embed.conv.{name}": tensor for name, tensor in stem.items()}
    return weights | {"patch_embed.proj.weight": torch.randn(8, 64, 8, 8), "fc.weight": torch.zeros(9, 8)}


def test_a_stem_of_convolutions_is_loaded_and_gives_the_same_grid(vit, tmp_path, monkeypatch):
    weights = ics(random_weights(vit))
    backbone = vit_of(tmp_path / "vit.pth", {"model": weights}, monkeypatch, stem="ics")
    found, images = backbone.network.model.patch_embed, torch.randn(1, 3, *SIZE)
    assert all(torch.equal(found.state_dict()[name[12:]], weights[name]) for name in weights if "patch_embed" in name)
    with torch.inference_mode():
        maps = found.conv(images)
        first = maps[0, :, 8:16, :8].flatten() @ weights["patch_embed.proj.weight"].flatten(1).T
        assert torch.allclose(found(images)[0, 2], first + weights["patch_embed.proj.bias"], rtol=1e-4, atol=1e-4)
        assert whole(backbone(images)).shape == (1, 8, 4, 2)


def test_overlapping_patches_are_those_cut_one_by_one(vit, tmp_path, monkeypatch):
    weights = random_weights(vit)
    weights["pos_embed"] = torch.randn(1, 1 + 4 * 2, 8)
    backbone = vit_of(tmp_path / "vit.pth", weights, monkeypatch, patch_stride=12)
    patches, images = backbone.network.model.patch_embed, torch.randn(1, 3, *SIZE)
    kernel, bias = weights["patch_embed.proj.weight"].flatten(1), weights["patch_embed.proj.bias"]
    with torch.inference_mode():
        found = patches(images)[0].reshape(5, 2, 8)
        for row, column in product(range(5), range(2)):
            patch = images[0, :, 12 * row : 12 * row + 16, 12 * column : 12 * column + 16].flatten()
            assert torch.allclose(found[row, column], kernel @ patch + bias, atol=1e-4)
        assert whole(backbone(images)).shape == (1, 8, 5, 2)
    assert backbone.stride == 12


def test_a_stem_on_one_side_only_names_the_key(vit, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"set models\.\*\.backbone\.stem to ics"):
        vit_of(tmp_path / "vit.pth", ics(random_weights(vit)), monkeypatch)
    with pytest.raises(UserError, match=r"set models\.\*\.backbone\.stem to null"):
        vit_of(tmp_path / "vit.pth", random_weights(vit), monkeypatch, stem="ics")


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("resnet18", {"stem": "ics"}, "backbone.stem: only a ViT has it"),
        ("resnet18", {"patch_stride": 12}, "backbone.patch_stride: only a ViT has it"),
        ("resnet18", {"semantic_weight": 0.2}, "backbone.semantic_weight: only a Swin has it"),
        ("vit_tiny_patch16_224", {"patch_stride": 17}, "17 pixels leave gaps between patches of 16"),
    ],
)
def test_patches_that_a_network_cannot_have(name, keys, message):
    with pytest.raises(UserError, match=message):
        weighted_backbone(BackboneConfig(name=name, **keys), SIZE)


@pytest.mark.parametrize(("rows", "columns"), [(16, 8), (24, 8), (21, 10), (31, 10), (14, 14)])
def test_position_embeddings_are_resized_from_the_grid_of_their_images(vit, rows, columns):
    """Embeddings that rise evenly from row to row, and from column to column, still do so on the other grid."""
    grid = torch.stack(torch.meshgrid(torch.arange(rows) / rows, torch.arange(columns) / columns, indexing="ij"), -1)
    token = torch.full((1, 1, 8), 7.0)
    embeddings = torch.cat([token, grid.flatten(0, 1).repeat(1, 4)[None]], 1)
    found = with_positions_of(vit, {"pos_embed": embeddings})["pos_embed"]
    assert found.shape == (1, 1 + 4 * 2, 8)
    assert torch.equal(found[:, :1], token)
    down, across = found[0, 1:, 0].reshape(4, 2), found[0, 1:, 1].reshape(4, 2)
    assert (down.diff(dim=0) > 0.15).all()
    assert down.diff(dim=1).abs().max() < 1e-5
    assert (across.diff(dim=1) > 0.3).all()
    assert across.diff(dim=0).abs().max() < 1e-5
