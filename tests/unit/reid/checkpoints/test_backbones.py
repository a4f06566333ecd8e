"""Weights from a file: those of the network by name, and of no other."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from artefacts.errors import UserError
from reid.checkpoints.backbones import weighted_backbone
from reid.config.root import BackboneConfig

SIZE = (64, 32)


def load(name: str, path, levels: tuple[int, ...] = (-1,), **options):
    return weighted_backbone(BackboneConfig(name=name, weights=str(path), levels=levels, **options), SIZE)


def saved(path, name: str, change=lambda weights: weights, **options) -> dict[str, torch.Tensor]:
    """The weights of timm's whole network `name`, as they lie in its own files, written to `path`."""
    torch.manual_seed(1)
    weights = timm.create_model(name, **options).state_dict()
    torch.save(change(dict(weights)), path)
    return weights


@pytest.mark.parametrize(
    ("name", "levels", "options", "whole", "ours"),
    [
        ("regnetx_002", (2, 3), {}, "s3.b1.conv1.conv.weight", "s3.b1.conv1.conv.weight"),
        ("convnext_atto", (1, 2), {}, "stages.2.blocks.0.norm.weight", "stages_2.blocks.0.norm.weight"),
        ("vit_tiny_patch16_224", (11,), {"img_size": SIZE}, "pos_embed", "model.pos_embed"),
    ],
)
def test_timm_s_own_file_whatever_the_levels_leave_out(tmp_path, name, levels, options, whole, ours):
    weights = saved(tmp_path / "weights.pth", name, **options)
    assert torch.equal(load(name, tmp_path / "weights.pth", levels).network.state_dict()[ours], weights[whole])


def test_a_file_of_what_the_levels_keep(tmp_path):
    wanted = weighted_backbone(BackboneConfig(name="convnext_atto", levels=(2,)), SIZE)
    save_file(wanted.network.state_dict(), tmp_path / "weights.safetensors")
    found = load("convnext_atto", tmp_path / "weights.safetensors", (2,))
    assert all(torch.equal(one, other) for one, other in zip(found.parameters(), wanted.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "other", "message"),
    [
        ("resnet18", "resnet34", r"holds 'layer1\.2\.bn1\.bias', .* and \d+ more, which resnet18 has not"),
        ("resnet34", "resnet18", r"lacks 'layer1\.2\.conv1\.weight' and \d+ more weights of resnet34"),
        ("regnetx_002", "regnety_002", r"holds 's1\.b1\.se\.fc1\.bias', .* which regnetx_002 has not"),
        ("regnetx_002", "regnetx_004", r"no weights of regnetx_002 \(.* has the shape \[\d.*\], not \[\d"),
    ],
)
def test_the_file_of_another_network(tmp_path, name, other, message):
    saved(tmp_path / "weights.pth", other)
    with pytest.raises(UserError, match=r"weights\.pth: " + message):
        load(name, tmp_path / "weights.pth")


def test_weights_that_are_not_finite(tmp_path):
    weights = saved(tmp_path / "weights.pth", "resnet18")
    weights["layer1.0.conv1.weight"][0, 0, 0, 0] = torch.nan
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"no weights of resnet18 \(layer1\.0\.conv1\.weight is not finite"):
        load("resnet18", tmp_path / "weights.pth")


def test_a_classifier_by_any_name_is_left_out(tmp_path):
    def change(weights):
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}
        return weights | {"fc.weight": torch.zeros(3, 3), "classifier.bias": torch.zeros(3)}

    saved(tmp_path / "weights.pth", "regnetx_002", change)
    load("regnetx_002", tmp_path / "weights.pth")


def test_one_more_tensor_is_named(tmp_path):
    saved(tmp_path / "weights.pth", "regnetx_002", lambda weights: weights | {"neck.weight": torch.zeros(3)})
    with pytest.raises(UserError, match=r"holds 'neck\.weight', which regnetx_002 has not: it is of another network"):
        load("regnetx_002", tmp_path / "weights.pth")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"no file \S+/none\.pth; put timm's weights of regnetx_002 there"):
        load("regnetx_002", tmp_path / "none.pth")


def test_a_file_with_another_digest(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="SHA-256"):
        load("regnetx_002", tmp_path / "weights.safetensors", sha256="0" * 64)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
@pytest.mark.parametrize("content", [b"", b"damaged", b"PK" + bytes(100)])
def test_a_damaged_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: no weights of regnetx_002"):
        load("regnetx_002", tmp_path / name)
