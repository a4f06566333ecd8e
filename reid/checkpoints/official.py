"""The authors' released checkpoints: read without running anything of theirs, and brought under our names.

A `.pth.tar` of theirs pickles, beside tensors, the configuration of its training (a yacs CfgNode) and its scores
(numpy numbers). torch's unpickler for weights reads that much by an allow-list, and refuses everything else.
"""

import json
import re
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
        """K, the parts that its part classifier tells apart beside the background."""
        return len(self.weights["pixel_classifier.classifier.weight"]) - 1

    @property
    def identities(self) -> int:
        """How many identities it was trained on."""
        return len(self.weights["global_identity_classifier.classifier.weight"])


def read_released(path: Path) -> Released:
    """A released checkpoint. Raises UserError if it is none, is damaged, or asks for anything but numbers and texts."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; it is one of the authors' released checkpoints, yours to obtain")
    try:
        with torch.serialization.safe_globals(ALLOWED):
            content = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name.removeprefix(FROM_SEVERAL_GPUS): tensor for name, tensor in content["state_dict"].items()}
        settings = json.loads(json.dumps(content.get("config", {}), default=str))
        released = Released(weights, settings, _scores(content))
        released.parts, released.identities  # noqa: B018, what every such file has
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
    return str(error).splitlines()[0][:150]


def _scores(content: Mapping) -> dict[str, float]:
    return {name: float(content[name]) for name in ("epoch", "rank1", "mAP") if name in content}


def our_weights(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The parameters of a released checkpoint as BPBReID's, and how many of each unused group were left out.

    `wanted` is the state of the network that they are for. Raises ValueError, naming a parameter, unless each one
    has its place there with its shape or is among the unused, and none is missing.
    """
    ours, left_out = {}, Counter()
    for theirs, tensor in weights.items():
        name = _renamed(theirs)
        if name not in wanted:
            left_out[_unused_group(theirs)] += 1
            continue
        ours[name] = tensor.flatten(1) if theirs == "pixel_classifier.classifier.weight" else tensor
        if ours[name].shape != wanted[name].shape:
            raise ValueError(f"{theirs} has the shape {list(tensor.shape)}, not {list(wanted[name].shape)}")
    missing = [name for name in wanted if name not in ours]
    if missing:
        raise ValueError(f"it lacks {missing[0]} and {len(missing) - 1} more parameters")
    return ours, dict(left_out)


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
