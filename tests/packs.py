"""A small model with random weights, as a pack."""

import json
from pathlib import Path

import torch

from reid.checkpoints.pack import pack_of, write_pack
from reid.checkpoints.store import TrainedModel, new_model, save_model
from reid.config.root import Config, ModelInUse
from reid.config.training import Model

PARTS = ["head", "arms", "torso", "legs", "feet"]
BACKBONE = {"name": "resnet10t", "weights": None, "levels": [1, 2], "last_stride": None}
ENTRY = {"size": [64, 32], "backbone": BACKBONE}  # of models, for what `trained` and `write_run` make
MEASURES = {name: {"mean": 0.5, "spread": 0.02} for name in ("rank-1", "rank-5", "mAP", "mINP")}


def trained(config: Config, model: str = "small", **backbone: object) -> tuple[TrainedModel, ModelInUse]:
    """The network of an entry of `models` with random weights and lively statistics, and how it is used."""
    entry = config.model(model)
    changes = BACKBONE | {"levels": (1, 2)} | backbone
    settings = ModelInUse.of(
        entry.model_copy(update={"size": (64, 32), "backbone": entry.backbone.model_copy(update=changes)})
    )
    torch.manual_seed(0)
    parts = settings.head.stripe_names or PARTS
    network = new_model(settings, len(parts), identities=7)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return TrainedModel(network.eval(), settings, parts, {"made": "for a test"}), settings


def write(folder: Path, config: Config, model: str = "small", **described: object) -> Path:
    """A pack of the entry `model` in `folder`."""
    known, settings = trained(config, model)
    matching = config.matchings[config.model(model).matching]
    told = {"name": f"people/{model}", "seed": 1, "trained": {}, "provenance": known.provenance} | described
    write_pack(folder, known.network, pack_of(known, settings, matching, **told), "# A model\n")
    return folder


def write_run(folder: Path, config: Config) -> None:
    """What a finished run of one seed leaves in `folder`, results/{dataset}/{model}, that a pack is made of."""
    known, settings = trained(config)
    weights = known.network.state_dict()
    save_model(folder / "seed1/model.safetensors", weights, Model.of(settings), known.part_names, 7, {})
    (folder / "metrics.json").write_text(json.dumps({"seeds": [1], "results": {"default": MEASURES}}))
    (folder / "seed1/default.json").write_text(json.dumps({"results": {"default": {"measures": {}}}}))
