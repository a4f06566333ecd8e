"""Human-centric weights under timm's names: Swin of SOLIDER, ViT of LUPerson (TransReID-SSL), PersonViT and TransReID.

A file is recognised by the names in it. What has no place in timm's network is left out by name; every other tensor is
kept, so that the loader can name it if the network has no use for it.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import softplus

Weights = dict[str, Tensor]

WRAPPERS = ("state_dict", "model", "teacher", "target_encoder", "module", "student")  # the teacher is what DINO keeps
PREFIXES = ("module.", "backbone.", "base.")  # several GPUs; pretraining; TransReID's and SOLIDER's models
REID_HEAD = r"(bottleneck|classifier)(_\d+)?\.|fcneck\."
SWIN_LEFT_OUT = re.compile(
    r"semantic_embed_[wb]\."  # SOLIDER's, of how much semantics is wanted, and how much appearance
    r"|norm[0-2]\."  # behind the levels; timm's levels have none
    rf"|.*\.(relative_position_index|attn_mask)$|{REID_HEAD}"  # computed from the sizes
)
SWIN_RENAMED = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^stages\.", "layers."),
    (r"\.attn\.w_msa\.", ".attn."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"^norm3\.", "norm."),
)
VIT_LEFT_OUT = re.compile(
    r"sie_embed$"  # TransReID's, of cameras and views
    r"|masked_embed$"  # what pretraining hides patches with
    rf"|b2\.|{REID_HEAD}"  # TransReID's branch of shuffled patches
)
DOWNSAMPLING = re.compile(r"^layers\.(\d+)\.downsample\.")


def timm_names(content: object, semantic_weight: float | None = None) -> Weights:
    """Tensors of a checkpoint under timm's names, or as they are where it is of none of the kinds above.

    `content` is what the file holds: tensors by name, or a dict of such under a name like `state_dict` or `teacher`.
    `semantic_weight` is taken into the patch mergings of SOLIDER's Swin, as scale and shift of what they give.
    Raises ValueError if it holds none, or tensors of impossible shapes.
    """
    weights = _without_prefixes(_unwrapped(content))
    if "stages.0.blocks.0.attn.w_msa.qkv.weight" in weights:
        return _from_mmdetection(weights if semantic_weight is None else _with_semantics(weights, semantic_weight))
    if "layers.0.downsample.norm.weight" in weights:  # Swin's own code; timm's Swin merges patches in the next level
        return _merging_in_the_next_level(_kept(weights, SWIN_LEFT_OUT))
    if "blocks.0.attn.qkv.weight" in weights:
        return _from_transreid(weights)
    return weights


def _unwrapped(content: object) -> Weights:
    while isinstance(content, Mapping):
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise ValueError("no tensors by name")
    other = next((name for name, tensor in content.items() if not isinstance(tensor, Tensor)), None)
    if other is not None:
        raise ValueError(f"{other!r} is no tensor")
    return dict(content)


def _without_prefixes(weights: Weights) -> Weights:
    stripped = {}
    for name, tensor in weights.items():
        short = name
        while short.startswith(PREFIXES):
            short = short.partition(".")[2]
        if short in stripped:
            raise ValueError(f"{short!r} is there twice, also as {name!r}")
        stripped[short] = tensor
    return stripped


def _kept(weights: Weights, left_out: re.Pattern) -> Weights:
    return {name: tensor for name, tensor in weights.items() if not left_out.match(name)}


def _from_mmdetection(weights: Weights) -> Weights:
    """Swin under the names of mmdetection, which SOLIDER has, and with its order of channels where patches merge."""
    converted = {}
    for name, tensor in _kept(weights, SWIN_LEFT_OUT).items():
        for pattern, replacement in SWIN_RENAMED:
            name = re.sub(pattern, replacement, name)
        merged = DOWNSAMPLING.match(name) and not name.endswith("reduction.bias")  # which is of what comes out
        converted[name] = _reordered(tensor) if merged else tensor
    return _merging_in_the_next_level(converted)


def _with_semantics(weights: Weights, share: float) -> Weights:
    """The weights with SOLIDER's scale softplus(W s + b) and shift V s + c after a merging, s = (share, 1 - share).

    The layers behind the last level act on nothing.
    """
    given, changed = torch.tensor([share, 1 - share]), {}
    for name in [name for name in weights if name.endswith("downsample.reduction.weight")]:
        level = name.split(".")[1]
        places = (f"semantic_embed_w.{level}", f"semantic_embed_b.{level}")
        if absent := [place for place in places if f"{place}.weight" not in weights]:
            raise ValueError(f"lacks {absent[0]!r}, which backbone.semantic_weight asks for")
        scale, shift = (weights[f"{place}.weight"] @ given + weights[f"{place}.bias"] for place in places)
        changed[name] = softplus(scale)[:, None] * weights[name]
        changed[name.replace("weight", "bias")] = shift
    return weights | changed


def _reordered(tensor: Tensor) -> Tensor:
    """[..., 4 C] of a merging of 2x2 cells, from mmdetection's order (C, row, column) to timm's (column, row, C)."""
    leading, (channels, rest) = tensor.shape[:-1], divmod(tensor.shape[-1], 4)
    if rest:
        raise ValueError(f"{tensor.shape[-1]} channels are not those of 2x2 cells")
    cells = tensor.reshape(*leading, channels, 2, 2)
    return cells.movedim((-1, -2, -3), (-3, -2, -1)).reshape(tensor.shape)


def _merging_in_the_next_level(weights: Weights) -> Weights:
    def moved(found: re.Match) -> str:
        return f"layers.{int(found[1]) + 1}.downsample."

    return {DOWNSAMPLING.sub(moved, name): tensor for name, tensor in weights.items()}


def _from_transreid(weights: Weights) -> Weights:
    """ViT as TransReID has it. Its jigsaw models train `b1`, a copy of the last block and norm, in place of these."""
    last = max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    places = {"b1.0.": f"blocks.{last}.", "b1.1.": "norm."}
    trained = {places[name[:5]] + name[5:]: tensor for name, tensor in weights.items() if name[:5] in places}
    rest = {name: tensor for name, tensor in weights.items() if name[:5] not in places}
    return _kept(rest, VIT_LEFT_OUT) | trained
