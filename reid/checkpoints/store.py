"""The network of a model entry, new or trained."""

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from artefacts.errors import UserError, first_problem
from artefacts.weights import read_weights, write_weights
from reid.checkpoints.backbones import weighted_backbone
from reid.config.report import PART_ATTENTION, PartAttention
from reid.config.root import Model
from reid.model.bpbreid import BPBReID


def new_model(settings: Model, parts: int, identities: int) -> BPBReID:
    """The network of a model entry before training, its backbone with the weights that the entry names.

    Raises UserError when those weights cannot be had.
    """
    necks = dict.fromkeys([*settings.loss.identity, *settings.use_bnneck_for])
    backbone = weighted_backbone(settings.backbone, settings.size)
    return BPBReID(backbone, parts, identities, tuple(necks), settings.head)


def as_built(settings: Model, network: BPBReID) -> Model:
    """The settings with what `network` became where they left it open: another timm might decide it in another way."""
    if settings.backbone.last_stride != "auto":
        return settings
    backbone = settings.backbone.model_copy(update={"last_stride": network.backbone.last_stride})
    return settings.model_copy(update={"backbone": backbone})


def trained_network(settings: Model, parts: int, identities: int, weights: dict[str, Tensor]) -> BPBReID:
    """The network of a model entry with these weights. Raises RuntimeError if they are another's."""
    scratch = settings.model_copy(update={"backbone": settings.backbone.model_copy(update={"weights": None})})
    network = new_model(scratch, parts, identities)
    network.load_state_dict(weights)
    return network


class TrainedModel(NamedTuple):
    """A network with its trained weights, in eval mode, and what its file says of it.

    `part_attention` are quantiles of the largest attention of each part in training (`reid.training.part_attention`).
    """

    network: BPBReID
    settings: Model
    part_names: list[str]
    provenance: dict
    part_attention: PartAttention | None = None


def save_model(
    path: Path,
    weights: dict[str, Tensor],
    settings: Model,
    part_names: list[str],
    identities: int,
    provenance: dict,
    part_attention: PartAttention | None = None,
) -> None:
    """Write weights as safetensors, with what else `TrainedModel` has, and the identity count, as metadata."""
    metadata = {
        "config": settings.model_dump(mode="json"),
        "part_names": part_names,
        "identities": identities,
        "provenance": provenance,
        "part_attention": part_attention,
    }
    write_weights(path, weights, metadata)


def load_model(path: Path) -> TrainedModel:
    """The trained network of a `model.safetensors`. Raises UserError if the file is damaged or not one of ours."""
    try:
        weights, metadata = read_weights(path)
        settings = Model.model_validate_json(json.dumps(metadata["config"]))
        part_names, identities, record = (metadata[name] for name in ("part_names", "identities", "provenance"))
        attention = PART_ATTENTION.validate_python(metadata.get("part_attention"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise UserError(f"{path}: not a trained model of this project ({reason}); train it again") from None
    try:
        network = trained_network(settings, len(part_names), identities, weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path}: its weights do not fit its configuration ({reason}); train it again") from None
    return TrainedModel(network.eval(), settings, part_names, record, attention)
