"""Human-centric weights under others' names: every tensor in its place, and the same maps as their own order gives."""

import re
from argparse import Namespace
from itertools import product

import pytest
import timm
import torch
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.checkpoints.converters import timm_names
from reid.checkpoints.position_embeddings import with_positions_of
from tests.appearance import whole
from tests.transformers import SIZE, SWIN, VIT, loaded, random_weights, small_swin, small_vit, vit_of

BACK = (  # from timm's names to SOLIDER's
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
    (r"\.attn\.", ".attn.w_msa."),
    (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
    (r"\.mlp\.fc2\.", ".ffn.layers.1."),
    (r"^layers\.", "stages."),
    (r"^norm\.", "norm3."),
)


def theirs(merged: Tensor) -> Tensor:
    """[..., 4 C] from timm's order of a merging of 2x2 cells to that of a loop as nn.Unfold goes through its input."""
    channels, reordered = merged.shape[-1] // 4, torch.empty_like(merged)
    for place, (channel, row, column) in enumerate(product(range(channels), range(2), range(2))):
        reordered[..., place] = merged[..., (2 * column + row) * channels + channel]
    return reordered


def solider(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of timm's Swin under the names of SOLIDER's, with what else is in its files."""
    named = {}
    for name, tensor in weights.items():
        for pattern, replacement in BACK:
            name = re.sub(pattern, replacement, name)
        if "downsample" in name:
            name, tensor = re.sub(r"\d", lambda level: str(int(level[0]) - 1), name, count=1), theirs(tensor)
        named[name] = tensor
    named |= {f"norm{level}.{kind}": torch.ones(4 << level) for level in range(3) for kind in ("weight", "bias")}
    for level, kind in product(range(4), "wb"):
        channels = 4 << min(level + 1, 3)
        named[f"semantic_embed_{kind}.{level}.weight"] = torch.linspace(-2, 3, 2 * channels).reshape(channels, 2)
        named[f"semantic_embed_{kind}.{level}.bias"] = torch.linspace(1, 2, channels)
    return named | {"stages.0.blocks.0.attn.w_msa.relative_position_index": torch.zeros(49, 49)}


def earlier(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of timm's Swin under the names of its authors, who merge patches at the end of the level before."""
    names = {name: re.sub(r"(?<=layers\.)\d(?=\.down)", lambda at: str(int(at[0]) - 1), name) for name in weights}
    named = {names[name]: tensor for name, tensor in weights.items()}
    return named | {"layers.0.blocks.0.attn_mask": torch.zeros(1), "head.weight": torch.zeros(3, 32)}


@pytest.fixture
def swin() -> nn.Module:
    return small_swin()


@pytest.fixture
def vit() -> nn.Module:
    return small_vit()


def test_solider_s_swin_comes_back_tensor_by_tensor(swin):
    weights = random_weights(swin)
    content = {"teacher": {f"module.backbone.{name}": tensor for name, tensor in solider(weights).items()}}
    converted = timm_names(content)
    assert converted.keys() == weights.keys()
    assert all(torch.equal(converted[name], tensor) for name, tensor in weights.items())


def test_merged_patches_are_those_of_a_loop_over_cells(swin):
    weights = solider(random_weights(swin))
    swin.load_state_dict(timm_names(weights))
    norm, bias, reduction = (
        weights[f"stages.0.downsample.{name}"] for name in ("norm.weight", "norm.bias", "reduction.weight")
    )
    cells = torch.randn(1, 4, 6, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.empty(1, 2, 3, 8)
    for row, column in product(range(2), range(3)):
        block = cells[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        merged = torch.stack([block[r, c, channel] for channel in range(4) for r in range(2) for c in range(2)])
        scaled = (merged - merged.mean()) / (merged.var(correction=0) + 1e-5).sqrt() * norm + bias
        expected[0, row, column] = reduction @ scaled
    assert torch.allclose(swin.layers[1].downsample(cells), expected, atol=1e-5)


def test_solider_s_semantic_weight_scales_and_shifts_every_channel(swin, tmp_path, monkeypatch):
    weights = solider(random_weights(swin))
    name, keys = "swin_tiny_patch4_window7_224", {"levels": (1, 3)}
    networks = [
        loaded(tmp_path / "swin.pth", name, weights, monkeypatch, SWIN, semantic_weight=share, **keys).network
        for share in (None, 0.2)
    ]
    cells = torch.randn(1, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain, found = (network["layers_2"].downsample(cells) for network in networks)
    for channel in range(16):
        scale, shift = (
            0.2 * weights[f"semantic_embed_{kind}.1.weight"][channel, 0]
            + 0.8 * weights[f"semantic_embed_{kind}.1.weight"][channel, 1]
            + weights[f"semantic_embed_{kind}.1.bias"][channel]
            for kind in "wb"
        )
        assert torch.allclose(found[..., channel], plain[..., channel] * (1 + scale.exp()).log() + shift, atol=1e-5)


def test_a_semantic_weight_for_a_file_without(swin, tmp_path, monkeypatch):
    weights = {name: tensor for name, tensor in solider(random_weights(swin)).items() if "semantic" not in name}
    with pytest.raises(UserError, match=r"lacks 'semantic_embed_w\.0', which backbone\.semantic_weight asks for"):
        loaded(tmp_path / "a.pth", "swin_tiny_patch4_window7_224", weights, monkeypatch, SWIN, semantic_weight=0.2)


def test_swin_of_its_authors_merges_patches_a_level_earlier(swin):
    weights = random_weights(swin)
    converted = timm_names({"model": earlier(weights)})
    assert converted.pop("head.weight").shape == (3, 32)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in converted.items())
    assert len(converted) == len(weights)


def test_smaller_windows_keep_the_bias_of_every_offset(swin):
    weights = random_weights(swin)
    small = timm.create_model("swin_tiny_patch4_window7_224", img_size=SIZE, num_classes=0, **SWIN)
    small.load_state_dict(with_positions_of(small, weights))
    rows, columns = small.layers[2].blocks[0].window_size
    assert (rows, columns) == (4, 2)
    table, cut = (name.layers[2].blocks[0].attn.relative_position_bias_table for name in (swin, small))
    swin.load_state_dict(weights)
    for row, column in product(range(-3, 4), range(-1, 2)):
        assert torch.equal(cut[(row + 3) * 3 + column + 1], table[(row + 6) * 13 + column + 6])


def test_swin_from_a_file_gives_the_maps_of_timm_s_network(swin, tmp_path, monkeypatch):
    swin.load_state_dict(random_weights(swin))
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = [level.float() for level in swin.eval().forward_intermediates(images, intermediates_only=True)]
        content = {"state_dict": {f"base.{name}": tensor for name, tensor in solider(swin.state_dict()).items()}}
        name, levels = "swin_tiny_patch4_window7_224", (0, 2, 3)
        backbone = loaded(tmp_path / "swin.pth", name, content, monkeypatch, SWIN, (224, 224), levels=levels)
        found = backbone.network(images)
    for one, other in zip(found, (expected[0], expected[2], expected[3]), strict=True):
        assert torch.allclose(one.permute(0, 3, 1, 2), other, atol=1e-5)


def test_a_dino_checkpoint_gives_its_teacher(vit, tmp_path, monkeypatch):
    weights = random_weights(vit)
    teacher = {f"module.backbone.{name}": tensor for name, tensor in weights.items()}
    teacher |= {"module.backbone.masked_embed": torch.zeros(1, 8), "module.head.mlp.0.weight": torch.zeros(2, 8)}
    student = {name: torch.zeros_like(tensor) for name, tensor in teacher.items()}
    content = {"student": student, "teacher": teacher, "epoch": 3, "args": Namespace(arch="vit_small")}
    backbone = vit_of(tmp_path / "vit.pth", content, monkeypatch)
    images = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    vit.load_state_dict(weights)
    with torch.inference_mode():
        expected = vit.eval().forward_intermediates(images, intermediates_only=True)[-1]
        assert torch.allclose(whole(backbone(images)), expected, atol=1e-5)


def test_a_jigsaw_model_s_last_block_is_its_trained_copy(vit, tmp_path, monkeypatch):
    weights = random_weights(vit)
    content = {f"base.{name}": tensor for name, tensor in weights.items()}
    for branch in ("b1", "b2"):
        for name, tensor in vit.blocks[2].state_dict().items():
            content[f"{branch}.0.{name}"] = torch.full_like(tensor, int(branch[1]))
        content |= {f"{branch}.1.weight": torch.ones(8), f"{branch}.1.bias": torch.ones(8)}
    content |= {
        "base.sie_embed": torch.zeros(6, 1, 8),
        "classifier_4.weight": torch.zeros(9, 8),
        "bottleneck.bias": torch.ones(8),
    }
    found = vit_of(tmp_path / "vit.pth", content, monkeypatch).network.model
    assert (found.blocks[2].mlp.fc1.weight == 1).all()
    assert torch.equal(found.blocks[1].mlp.fc1.weight, weights["blocks.1.mlp.fc1.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda vit: vit | {"extra.weight": torch.zeros(1)}, r"holds 'extra\.weight', which \w+ has not"),
        (
            lambda vit: {n: t for n, t in vit.items() if "blocks.2" not in n},
            r"lacks 'model\.blocks\.2\.\S+' and 11 more",
        ),
        (lambda vit: vit | {"pos_embed": torch.zeros(1, 14, 8)}, r"position embeddings of 13 patches: neither square"),
        (
            lambda vit: vit | {"pos_embed": torch.zeros(1, 9, 6)},
            r"pos_embed has the shape \[1, 9, 6\], not \[1, 9, 8\]",
        ),
        (
            lambda vit: vit | {"base.norm.bias": torch.zeros(8)},
            r"'norm\.bias' is there twice, also as 'base\.norm\.bias'",
        ),
        (lambda vit: {"stages.0.blocks.0.attn.w_msa.qkv.weight": torch.zeros(3)}, r"lacks 'model\.cls_token' and"),
        (lambda vit: {"epoch": 3}, r"no weights of \w+ \('epoch' is no tensor\)"),
        (lambda vit: [1], r"no weights of \w+ \(no tensors by name\)"),
    ],
)
def test_another_file_is_one_line(vit, tmp_path, monkeypatch, change, message):
    with pytest.raises(UserError, match=message) as raised:
        vit_of(tmp_path / "vit.pth", change(random_weights(vit)), monkeypatch)
    assert "\n" not in str(raised.value)


def dino(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.backbone.{name}": tensor for name, tensor in weights.items()}


def transreid(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    more = {"base.sie_embed": torch.zeros(6, 1, 8), "classifier.weight": torch.zeros(9, 8)}
    return {f"base.{name}": tensor for name, tensor in weights.items()} | more


SWIN_BLOCK, VIT_BLOCK = "layers.0.blocks.0.mlp.fc1", "blocks.1.attn.proj"
FAMILIES = {  # how a file names and wraps them; a tensor in its names; the same in the extractor's
    "solider": (solider, lambda of: {"teacher": of}, "stages.0.blocks.0.ffn.layers.0.0", SWIN_BLOCK),
    "swin": (earlier, lambda of: {"model": of}, SWIN_BLOCK, SWIN_BLOCK),
    "personvit": (dino, lambda of: {"teacher": of, "epoch": 3}, f"module.backbone.{VIT_BLOCK}", VIT_BLOCK),
    "transreid-ssl": (lambda weights: weights, lambda of: {"state_dict": of}, VIT_BLOCK, VIT_BLOCK),
    "transreid": (transreid, lambda of: of, f"base.{VIT_BLOCK}", VIT_BLOCK),
}


CHANGES = {
    "more": (lambda file, at: file | {f"{at}.scale": torch.ones(3)}, r"holds '\S*{at}\.scale', which {name} has not"),
    "less": (lambda file, at: file.pop(f"{at}.bias") is None or file, r"lacks '\S*{at}\.bias' and 0 more weights of"),
    "shape": (
        lambda file, at: file | {f"{at}.weight": file[f"{at}.weight"][:, 1:]},
        r"{name} \(\S*{at}\.weight has the shape \[\d+, \d+\], not \[",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_one_tensor_more_or_less_or_of_another_shape_is_named(family, change, tmp_path, monkeypatch):
    (named, wrapped, place, ours), (changed, message) = FAMILIES[family], CHANGES[change]
    is_swin = ours == SWIN_BLOCK
    network, small = (small_swin(), SWIN) if is_swin else (small_vit(), VIT)
    name = "swin_tiny_patch4_window7_224" if is_swin else "vit_small_patch16_224"
    at = re.escape(ours).replace(r"layers\.", "layers[._]")
    content = wrapped(changed(named(random_weights(network)), place))
    with pytest.raises(UserError, match=message.format(at=at, name=name)):
        loaded(tmp_path / "weights.pth", name, content, monkeypatch, small)
