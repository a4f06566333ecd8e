"""Files of the names and shapes of SOLIDER's Swin-S, PersonViT's and LUPerson's ViT-S, through the entries shipped."""

import re
from argparse import Namespace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from reid.checkpoints.backbones import weighted_backbone
from reid.config.root import Config
from reid.model.backbone import Backbone

pytestmark = pytest.mark.slow
Shapes = dict[str, tuple[int, ...]]


def linear(name: str, given: int, taken: int) -> Shapes:
    return {f"{name}.weight": (given, taken), f"{name}.bias": (given,)}


def norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def swin_small() -> Shapes:
    """SOLIDER's backbone (its swin_transformer.py, as mmdetection's): 2, 2, 18 and 2 blocks of 96 to 768 channels."""
    shapes: Shapes = {"patch_embed.projection.weight": (96, 3, 4, 4), "patch_embed.projection.bias": (96,)}
    shapes |= norm("patch_embed.norm", 96)
    for level, (blocks, channels, heads) in enumerate(((2, 96, 3), (2, 192, 6), (18, 384, 12), (2, 768, 24))):
        for block in (f"stages.{level}.blocks.{number}" for number in range(blocks)):
            shapes |= norm(f"{block}.norm1", channels) | norm(f"{block}.norm2", channels)
            shapes[f"{block}.attn.w_msa.relative_position_bias_table"] = (169, heads)
            shapes[f"{block}.attn.w_msa.relative_position_index"] = (49, 49)
            shapes |= linear(f"{block}.attn.w_msa.qkv", 3 * channels, channels)
            shapes |= linear(f"{block}.attn.w_msa.proj", channels, channels)
            shapes |= linear(f"{block}.ffn.layers.0.0", 4 * channels, channels)
            shapes |= linear(f"{block}.ffn.layers.1", channels, 4 * channels)
        if level < 3:
            shapes |= norm(f"stages.{level}.downsample.norm", 4 * channels)
            shapes[f"stages.{level}.downsample.reduction.weight"] = (2 * channels, 4 * channels)
        shapes |= norm(f"norm{level}", channels)
        for kind in "wb":
            shapes |= linear(f"semantic_embed_{kind}.{level}", min(2 * channels, 768), 2)
    return shapes


def vit_small(patches: int) -> Shapes:
    """A ViT-S of DINO: 12 blocks of 384 channels, patches of 16x16."""
    shapes: Shapes = {"cls_token": (1, 1, 384), "pos_embed": (1, 1 + patches, 384)}
    shapes |= {"patch_embed.proj.weight": (384, 3, 16, 16), "patch_embed.proj.bias": (384,)}
    for block in (f"blocks.{number}" for number in range(12)):
        shapes |= norm(f"{block}.norm1", 384) | norm(f"{block}.norm2", 384)
        shapes |= linear(f"{block}.attn.qkv", 1152, 384) | linear(f"{block}.attn.proj", 384, 384)
        shapes |= linear(f"{block}.mlp.fc1", 1536, 384) | linear(f"{block}.mlp.fc2", 384, 1536)
    return shapes | norm("norm", 384)


def with_stem(shapes: Shapes) -> Shapes:
    """The same behind TransReID-SSL's convolutions (ICS)."""
    convolutions = {0: (64, 3, 7, 7), 3: (64, 64, 3, 3), 6: (64, 64, 3, 3)}
    shapes = shapes | {f"patch_embed.conv.{place}.weight": shape for place, shape in convolutions.items()}
    normalised = {name: 32 for place in (1, 4) for name in (f"{place}.IN", f"{place}.BN")} | {"7": 64}
    for name, channels in normalised.items():
        shapes |= norm(f"patch_embed.conv.{name}", channels)
        if not name.endswith("IN"):
            running = dict.fromkeys(("running_mean", "running_var"), (channels,)) | {"num_batches_tracked": ()}
            shapes |= {f"patch_embed.conv.{name}.{buffer}": shape for buffer, shape in running.items()}
    return shapes | {"patch_embed.proj.weight": (384, 64, 8, 8)}


def numbered(shapes: Shapes) -> dict[str, Tensor]:
    """Each tensor full of a number of its own, so that it can be told in its new place, cut or resized."""
    return {name: torch.full(shape, number / 1000) for number, (name, shape) in enumerate(shapes.items())}


def loaded(config: Config, name: str, path, content: object, **keys) -> Backbone:
    settings = config.model(name)
    torch.save(content, path)
    entry = settings.backbone.model_copy(update={"weights": str(path), "sha256": None} | keys)
    return weighted_backbone(entry, tuple(settings.size)).eval()


def assert_full_of(tensor: Tensor, value: Tensor, name: str) -> None:
    torch.testing.assert_close(tensor, value.reshape(-1)[0].expand_as(tensor).to(tensor.dtype), msg=name)


def solider_s(name: str) -> str:
    """SOLIDER's name of a parameter of our Swin."""
    for pattern, replacement in (
        (r"^patch_embed\.proj\.", "patch_embed.projection."),
        (r"\.attn\.", ".attn.w_msa."),
        (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
        (r"\.mlp\.fc2\.", ".ffn.layers.1."),
        (r"^layers_(\d)\.downsample", lambda level: f"layers_{int(level[1]) - 1}.downsample"),
        (r"^layers_", "stages."),
    ):
        name = re.sub(pattern, replacement, name)
    return name


def test_solider_s_swin_small(config, tmp_path):
    weights = numbered(swin_small())
    for name in (name for name in weights if re.match(r"semantic_embed_.*weight", name)):
        weights[name][:, 1] += 0.5
    teacher = {f"module.backbone.{name}": tensor for name, tensor in weights.items()}
    backbone = loaded(config, "swin", tmp_path / "swin.pth", {"teacher": teacher})
    ours = dict(backbone.network.named_parameters())
    share, used = config.model("swin").backbone.semantic_weight, set()
    for name, tensor in ours.items():
        level = int(name.split("_")[1][0]) - 1 if "downsample.reduction" in name else None
        if level is None:
            assert_full_of(tensor, weights[solider_s(name)], name)
            used.add(solider_s(name))
            continue
        kind = "w" if name.endswith("weight") else "b"
        semantic = weights[f"semantic_embed_{kind}.{level}.weight"][0] @ torch.tensor([share, 1 - share])
        semantic = semantic + weights[f"semantic_embed_{kind}.{level}.bias"][0]
        reduction = weights[f"stages.{level}.downsample.reduction.weight"][0, 0]
        assert_full_of(tensor, softplus(semantic) * reduction if kind == "w" else semantic, name)
        used.add(f"stages.{level}.downsample.reduction.weight")
    left_out = {re.sub(r"\d+", "N", name.split(".w_msa.")[-1]) for name in weights.keys() - used}
    semantic = {f"semantic_embed_{kind}.N.{part}" for kind in "wb" for part in ("weight", "bias")}
    assert left_out == semantic | {"normN.weight", "normN.bias", "relative_position_index"}
    windows = [ours[f"layers_{level}.blocks.0.attn.relative_position_bias_table"].shape for level in range(4)]
    assert windows == [(169, 3), (169, 6), (169, 12), (13 * 7, 24)]  # the last level has 12 x 4 cells
    assert (backbone.channels, backbone.stride) == (1440, 4)
    with torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 384, 128)).grid == (96, 32)


def assert_vit(backbone: Backbone, weights: dict[str, Tensor]) -> None:
    """Every tensor in its place, and position embeddings of 16 x 8 patches on 24 x 8."""
    ours = backbone.network.model.state_dict()
    assert ours.keys() == {name for name in weights if not name.startswith(("norm.", "masked"))}
    for name, tensor in ours.items():
        if name != "pos_embed":
            assert_full_of(tensor, weights[name], name)
    found = ours["pos_embed"]
    assert found.shape == (1, 1 + 24 * 8, 384)
    assert torch.equal(found[:, 0], weights["pos_embed"][:, 0])
    down, across = found[0, 1:, 0].reshape(24, 8), found[0, 1:, 1].reshape(24, 8)
    torch.testing.assert_close(across, torch.arange(8.0).expand(24, 8), rtol=0, atol=1e-4)
    expected = (torch.arange(24.0) + 0.5) * 16 / 24 - 0.5
    torch.testing.assert_close(down[2:-2], expected[2:-2, None].expand(20, 8), rtol=0, atol=0.1)
    assert (backbone.channels, backbone.stride) == (384, 16)
    with torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 384, 128)).grid == (24, 8)


def on_a_grid(weights: dict[str, Tensor], rows: int, columns: int) -> dict[str, Tensor]:
    """The weights with position embeddings of which two channels say the row and the column."""
    grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1)
    weights["pos_embed"][0, 1:, :2] = grid.flatten(0, 1).float()
    return weights


def test_personvit_s_vit_small(config, tmp_path):
    weights = on_a_grid(numbered(vit_small(16 * 8) | {"masked_embed": (1, 384)}), 16, 8)
    head = {"module.head.mlp.0.weight": torch.zeros(2048, 384), "module.head.last_layer.weight_g": torch.zeros(9, 1)}
    teacher = {f"module.backbone.{name}": tensor for name, tensor in weights.items()} | head
    student = {name: torch.zeros_like(tensor) for name, tensor in teacher.items()}
    content = {"student": student, "teacher": teacher, "epoch": 99, "args": Namespace(arch="vit_small")}
    assert_vit(loaded(config, "vit", tmp_path / "vit.pth", content), weights)


def test_luperson_s_vit_small_with_and_without_its_stem(config, tmp_path):
    for keys, shapes in (({}, vit_small(16 * 8)), ({"stem": "ics"}, with_stem(vit_small(16 * 8)))):
        weights = on_a_grid(numbered(shapes), 16, 8)
        content = {"model": {f"base.{name}": tensor for name, tensor in weights.items()}}
        assert_vit(loaded(config, "vit", tmp_path / "vit.pth", content, **keys), weights)
