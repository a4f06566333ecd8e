"""The authors' released checkpoints: read without running anything of theirs, and brought under our names.

A `.pth.tar` of theirs pickles, besides tensors, the configuration of its training (a yacs CfgNode) and its scores
(numpy numbers). torch's unpickler for weights reads that much by an allow-list, and refuses everything else.
"""

import json
import math
import re
import warnings
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from artefacts.errors import UserError

ALLOWED = [
    (OrderedDict, "yacs.config.CfgNode"),  # a dict with attributes, without what yacs does
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float32)),
    type(np.dtype(np.float64)),
]
FROM_SEVERAL_GPUS = "module."  # before every name of such a file
RENAMED = {  # how parameter names of the released code begin, and how those of BPBReID do
    "backbone_appearance_feature_extractor.": "backbone.network.",
    "pixel_classifier.bn.": "part_classifier.norm.",
    "pixel_classifier.classifier.": "part_classifier.",
    "global_after_pooling_dim_reduce.layers.0.": "reductions.global.linear.",
    "global_after_pooling_dim_reduce.layers.1.": "reductions.global.norm.",
    "foreground_after_pooling_dim_reduce.layers.0.": "reductions.foreground.linear.",
    "foreground_after_pooling_dim_reduce.layers.1.": "reductions.foreground.norm.",
    "parts_after_pooling_dim_reduce.layers.0.": "reductions.parts.linear.",
    "parts_after_pooling_dim_reduce.layers.1.": "reductions.parts.norm.",
    "global_identity_classifier.bn.": "necks.global.norm.",
    "global_identity_classifier.classifier.": "necks.global.classifier.",
    "foreground_identity_classifier.bn.": "necks.foreground.norm.",
    "foreground_identity_classifier.classifier.": "necks.foreground.classifier.",
    "concat_parts_identity_classifier.bn.": "necks.concatenated.norm.",
    "concat_parts_identity_classifier.classifier.": "necks.concatenated.classifier.",
}
UNUSED = (  # of parameters that are in every file but behind no embedding that is compared or trained
    "background_after_pooling_dim_reduce.",
    "background_identity_classifier.",
    "parts_identity_classifier.",
    "backbone_appearance_feature_extractor.classifier.",  # ResNet's
    "backbone_appearance_feature_extractor.cls_head.",  # HRNet's
)


class Released(NamedTuple):
    """What a file holds: its parameters, the settings of its training ({} if it has none), and its scores."""

    weights: dict[str, Tensor]
    settings: dict
    scores: dict[str, float]

    @property
    def parts(self) -> int:
        """K, the parts that its part classifier tells apart besides the background."""
        return len(self.weights["pixel_classifier.classifier.weight"]) - 1

    @property
    def identities(self) -> int:
        """How many identities it was trained on."""
        return len(self.weights["global_identity_classifier.classifier.weight"])


def read_released(path: Path) -> Released:
    """A released checkpoint. Raises UserError if it is none, is damaged, or asks for anything but numbers and strings.

    Every parameter is an ordinary tensor of at least one row; whether its values are usable is for `our_weights` to
    say. Settings may hold anything that JSON can.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; it is one of the authors' released checkpoints, yours to obtain")
    try:
        with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings(action="ignore"):
            content = _mapping(torch.load(path, map_location="cpu", weights_only=True), "its content")
        released = Released(_weights(content["state_dict"]), _settings(content.get("config")), _scores(content))
        if min(released.parts, released.identities) < 1:
            raise ValueError(f"knows {released.parts} parts of {released.identities} identities")
    except Exception as error:  # of many types: the file is anything
        raise UserError(f"{path}: is no released checkpoint of BPBReID ({_reason(error)})") from None
    return released


def _reason(error: Exception) -> str:
    """What is wrong with a file, without torch's advice to load it all the same."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked:
        return f"it asks for {asked[1]}, which is neither a number nor a setting: do not trust this file"
    if isinstance(error, UnpicklingError) or not str(error):
        return "it is damaged, or another kind of file"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error).splitlines()[0][:150]


def _mapping(content: object, name: str) -> Mapping:
    if not isinstance(content, Mapping):
        raise ValueError(f"{name} is a {type(content).__name__}, not a mapping")
    return content


def _weights(state: object) -> dict[str, Tensor]:
    weights = {}
    for name, tensor in _mapping(state, "its state_dict").items():
        if not isinstance(name, str) or not name.isprintable():
            raise ValueError(f"a parameter is called {name!r}")
        if fault := tensor_fault(tensor):
            raise ValueError(f"{name} {fault}")
        weights[name.removeprefix(FROM_SEVERAL_GPUS)] = tensor
    return weights


def tensor_fault(tensor: object) -> str | None:
    """Why an entry of a foreign file is no ordinary tensor that the file holds all of; None if it is one."""
    if not isinstance(tensor, Tensor):
        return f"is a {type(tensor).__name__}, not a tensor"
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized or tensor.device.type != "cpu":
        return "is not an ordinary tensor (it is sparse, nested, quantised, or without values)"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"has the shape {list(tensor.shape)}, of which the file holds only a part"
    return None


def _settings(config: object) -> dict:
    """The settings as JSON has them, {} if there are none; values of other types become strings."""
    if config is None:
        return {}
    return json.loads(json.dumps(_mapping(config, "its config"), default=str), parse_constant=str)


def _scores(content: Mapping) -> dict[str, float]:
    """Those scores that are numbers; a checkpoint is as good without them."""
    found = {name: content.get(name) for name in ("epoch", "rank1", "mAP")}
    numbers = {name: float(value) for name, value in found.items() if isinstance(value, int | float | np.number)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def our_weights(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The parameters of a released checkpoint as BPBReID's, and how many of each unused group were left out.

    `wanted` is the state of the network that they are for. Raises ValueError, naming a parameter, unless each one
    has its place there, with its shape, its kind of numbers and finite values, or is among the unused; and if one is
    missing.
    """
    ours, left_out = {}, Counter()
    for theirs, tensor in weights.items():
        name = _renamed(theirs)
        if name not in wanted:
            left_out[_unused_group(theirs)] += 1
        else:
            ours[name] = _fitted(theirs, tensor, wanted[name])
    missing = [name for name in wanted if name not in ours]
    if missing:
        raise ValueError(f"it lacks {missing[0]} and {len(missing) - 1} more parameters")
    return ours, dict(left_out)


def _fitted(theirs: str, tensor: Tensor, wanted: Tensor) -> Tensor:
    """A copy of `tensor` in the type of `wanted`. Raises ValueError if it has another shape or unusable values."""
    shape = list(tensor.shape)
    if theirs == "pixel_classifier.classifier.weight" and shape[2:] == [1, 1]:
        tensor = tensor.flatten(1)
    if tensor.shape != wanted.shape:
        raise ValueError(f"{theirs} has the shape {shape}, not {list(wanted.shape)}")
    if tensor.is_complex() or tensor.is_floating_point() != wanted.is_floating_point():
        raise ValueError(f"{theirs} holds {tensor.dtype}, not {wanted.dtype}")
    tensor = tensor.to(wanted.dtype, copy=True)
    if not tensor.isfinite().all():
        raise ValueError(f"{theirs} holds values that are not finite: its training failed, or the file is damaged")
    return tensor


def _renamed(theirs: str) -> str | None:
    for before, after in RENAMED.items():
        if theirs.startswith(before):
            return after + theirs.removeprefix(before)
    return None


def _unused_group(theirs: str) -> str:
    group = next((group for group in UNUSED if theirs.startswith(group)), None)
    if group is None:
        raise ValueError(f"{theirs} has no place in this model")
    return group.removesuffix(".")
