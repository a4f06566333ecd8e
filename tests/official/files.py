"""Checkpoints as the released code writes them, and a small network of ours that they fit."""

import json
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from reid.__main__ import main
from reid.checkpoints.official import RENAMED
from reid.checkpoints.store import new_model
from reid.config.root import Config, Model, ModelInUse

IDENTITIES = 11
WEIGHTS = {"globl": (1.0, 0.0), "foreg": (1.0, 0.0), "conct": (1.0, 0.0), "parts": (0.0, 1.0)}
LEAST = {  # that every checkpoint has
    "pixel_classifier.classifier.weight": torch.zeros(9, 4, 1, 1),
    "global_identity_classifier.classifier.weight": torch.zeros(IDENTITIES, 4),
}
SMALL = "test_resnet"  # timm's network for tests


class CfgNode(dict):
    """Pickles as what the released code pickles: a dict with attributes, of a class that is not installed here."""


CfgNode.__module__, CfgNode.__qualname__ = "yacs.config", "CfgNode"


def node(**content) -> CfgNode:
    made = CfgNode({key: node(**value) if isinstance(value, dict) else value for key, value in content.items()})
    made.__dict__.update({"__immutable__": False, "__deprecated_keys__": set(), "__new_allowed__": False})
    return made


def settings(backbone: str, size: tuple[int, int], **changes) -> CfgNode:
    """The part that matters of a configuration of theirs, for an occluded dataset."""
    weights = {name: {"id": identity, "tr": triplet} for name, (identity, triplet) in WEIGHTS.items()}
    bpbreid = {
        "backbone": backbone, "last_stride": 1, "dim_reduce": "after_pooling", "dim_reduce_output": 512,
        "pooling": "gwap", "normalization": "identity", "learnable_attention_enabled": True,
        "test_embeddings": ["bn_foreg", "parts"], "testing_binary_visibility_score": True,
        "masks": {"type": "disk", "preprocess": "eight", "parts_num": 8},
    }  # fmt: skip
    return node(
        project={"job_id": 10670, "notes": ""},
        data={"height": size[0], "width": size[1], "transforms": ["rc", "re"], "sources": ["occluded_duke"]},
        model={"name": "bpbreid", "bpbreid": bpbreid | changes},
        loss={"part_based": {"weights": {**weights, "pixls": {"ce": 0.35}}}, "triplet": {"margin": 0.3}},
        train={"max_epoch": 120, "lr": 0.00035, "batch_size": 64, "stepsize": [40, 70]},
    )


def write_checkpoint(path: Path, parameters: object, config: object, **more: object) -> Path:
    """Write a checkpoint as the released code does, with yacs there meanwhile."""
    module = ModuleType("yacs.config")
    module.CfgNode = CfgNode
    optimiser = torch.optim.Adam([torch.zeros(2, requires_grad=True)])
    scores = {"rank1": np.float32(0.751), "mAP": np.float64(0.625), "ssmd": np.float64(1.5)}
    state = dict(parameters) if isinstance(parameters, dict) else parameters
    content = {"state_dict": state, "epoch": 120, "config": config, **scores}
    with mock.patch.dict(sys.modules, {"yacs": ModuleType("yacs"), "yacs.config": module}):
        torch.save({**content, "optimizer": optimiser.state_dict(), **more}, path)
    return path


def import_checkpoint(config: Config, file: Path, output: Path, entry: ModelInUse, scheme: str | None = None) -> int:
    """Exit status of command import-official by an entry of the name `own`."""
    schemes = {name: list(content.parts) for name, content in config.schemes.items()}
    content = {"name": "own", "model": entry.model_dump(mode="json"), "scheme": scheme, "schemes": schemes}
    words = ["import-official", str(file), "--config", json.dumps(content), "--output", str(output)]
    return main(words)


def small(config: Config, base: str = "resnet50_official_occluded") -> ModelInUse:
    """A released entry with a network that is built in milliseconds."""
    entry = ModelInUse.of(config.model(base)).model_dump(mode="json")
    backbone = {"name": SMALL, "weights": None, "last_stride": None}
    return ModelInUse.model_validate_json(json.dumps(entry | {"size": (64, 32), "backbone": backbone}))


def small_parameters(entry: ModelInUse, parts: int) -> dict[str, Tensor]:
    """Parameters of a checkpoint of theirs that fits the entry, under their names."""
    theirs = sorted(((ours, name) for name, ours in RENAMED.items()), key=lambda pair: -len(pair[0]))
    parameters = {}
    for name, tensor in new_model(Model.of(entry), parts, IDENTITIES).state_dict().items():
        before, after = next((ours, their) for ours, their in theirs if name.startswith(ours))
        parameters[after + name.removeprefix(before)] = tensor
    parameters["pixel_classifier.classifier.weight"] = parameters["pixel_classifier.classifier.weight"][..., None, None]
    return parameters
