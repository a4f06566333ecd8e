"""The backbone of a model entry, with the weights of a file under timm's names of parameters."""

from argparse import Namespace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from artefacts.errors import UserError
from artefacts.files import sha256_of
from reid.checkpoints.converters import timm_names
from reid.checkpoints.position_embeddings import with_positions_of
from reid.config.root import BackboneConfig
from reid.model.backbone import Backbone, build_backbone
from reid.model.extractor import extractor_names, parameter_names
from reid.model.non_local import NON_LOCAL

CLASSIFIERS = ("fc.", "classifier.", "head.", "heads.", "last_linear.")  # how timm's and others' are called


def weighted_backbone(entry: BackboneConfig, size: tuple[int, int]) -> Backbone:
    """The backbone that an entry names, for images of `size` (height, width), with the weights that it names.

    Raises UserError when it cannot be built so, or when the weights cannot be had or are those of another network.
    """
    backbone = backbone_of(entry, size, pretrained=entry.weights == "imagenet")
    if entry.weights not in (None, "imagenet"):
        _load(backbone, entry)
    return backbone


def backbone_of(entry: BackboneConfig, size: tuple[int, int], pretrained: bool = False) -> Backbone:
    """The backbone that an entry names, with new weights or timm's. Raises UserError when it cannot be built so."""
    keys = entry.model_dump(exclude={"weights", "sha256"})
    return build_backbone(**keys, pretrained=pretrained, size=size)


def _load(backbone: Backbone, entry: BackboneConfig) -> None:
    """Load the entry's file, which may hold more of the network than its levels need, and a classifier."""
    path = Path(entry.weights)
    if not path.is_file():
        raise UserError(f"models.*.backbone.weights: no file {path}; put timm's weights of {entry.name} there")
    if entry.sha256 and sha256_of(path) != entry.sha256:
        raise UserError(f"{path}: its SHA-256 is not models.*.backbone.sha256; get the file again or fix the digest")
    wanted = backbone.network.state_dict()
    try:
        weights = _renamed(timm_names(_content(path), entry.semantic_weight), wanted)
        weights = with_positions_of(backbone.network, weights)
        _require_stem(weights, wanted)
        _require_shapes(weights, wanted)
        _require_finite(weights)
        absent, left_over = backbone.network.load_state_dict(weights, strict=False)
    except Exception as error:  # of many types: the file is anything
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise UserError(f"{path}: no weights of {entry.name} ({reason[0].strip()}); get the file again") from None
    _require_all([name for name in absent if NON_LOCAL not in name], path, entry)  # these start as the identity
    _refuse(_of_another_network(left_over, entry.name), path, entry)


def _content(path: Path) -> object:
    """What the file holds; besides tensors, the options of a training as DINO and its kind write them."""
    if path.suffix == ".safetensors":
        return load_file(path)
    with torch.serialization.safe_globals([Namespace]):
        return torch.load(path, "cpu", weights_only=True)


def _renamed(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names that the feature extractor has for them, where it has them."""
    places = {name: next((one for one in extractor_names(name) if one in wanted), name) for name in weights}
    return {places[name]: tensor for name, tensor in weights.items()}


def _require_stem(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raises ValueError, which names the key to set, where the file and the network do not both have a stem or none."""
    theirs, ours = (any("patch_embed.conv." in name for name in names) for names in (weights, wanted))
    if theirs != ours:
        raise ValueError(f"set models.*.backbone.stem to {'ics' if theirs else 'null'} for a file like this")


def _require_shapes(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raises ValueError, which names the first tensor of another shape."""
    for name in weights.keys() & wanted.keys():
        shape, expected = list(weights[name].shape), list(wanted[name].shape)
        if shape != expected:
            raise ValueError(f"{name} has the shape {shape}, not {expected}")


def _require_finite(weights: dict[str, Tensor]) -> None:
    """Raises ValueError, which names the first tensor that holds a value that is none."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{name} is not finite")


def _require_all(absent: list[str], path: Path, entry: BackboneConfig) -> None:
    if absent:
        raise UserError(f"{path}: lacks {absent[0]!r} and {len(absent) - 1} more weights of {entry.name}")


def _of_another_network(left_over: list[str], name: str) -> list[str]:
    """Those of the names that are neither of a classifier nor of timm's whole network, of which levels are a part."""
    others = [one for one in left_over if not one.startswith(CLASSIFIERS)]
    return sorted(set(others) - parameter_names(name)) if others else []


def _refuse(others: list[str], path: Path, entry: BackboneConfig) -> None:
    if others:
        more = f" and {len(others) - 1} more" if others[1:] else ""
        raise UserError(
            f"{path}: holds {', '.join(map(repr, others[:3]))}{more}, which {entry.name} has not: it is of another "
            "network; name that one in models.*.backbone.name, or take them out of the file"
        )
