"""The network of a model entry, new or trained."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from artefacts.errors import UserError, first_problem
from artefacts.files import sha256_of
from artefacts.weights import read_weights, write_weights
from reid.config.root import Backbone as BackboneEntry
from reid.config.root import Model
from reid.model.backbone import Backbone, build_backbone
from reid.model.bpbreid import BPBReID
from reid.model.non_local import NON_LOCAL


def new_model(settings: Model, parts: int, identities: int) -> BPBReID:
    """The network of a model entry before training, its backbone with the weights that the entry names.

    Raises UserError when those weights cannot be had.
    """
    necks = dict.fromkeys([*settings.loss.identity, *settings.use_bnneck_for])
    backbone = _weighted_backbone(settings.backbone, settings.size)
    return BPBReID(backbone, parts, identities, tuple(necks), settings.head)


def _weighted_backbone(entry: BackboneEntry, size: tuple[int, int]) -> Backbone:
    backbone = _built(entry, size)
    if entry.weights not in (None, "imagenet"):
        _load_backbone(backbone, entry)
    return backbone


def _built(entry: BackboneEntry, size: tuple[int, int]) -> Backbone:
    pretrained = entry.weights == "imagenet"
    try:
        return build_backbone(entry.name, entry.levels, entry.last_stride, pretrained, entry.ibn, entry.non_local, size)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"models.*.backbone: cannot build {entry.name} with weights {entry.weights}: {reason}. Without a network, "
            "set weights to the path of a file of weights, or to null to train from scratch"
        ) from None


def _load_backbone(backbone: Backbone, entry: BackboneEntry) -> None:
    path = Path(entry.weights)
    if not path.is_file():
        raise UserError(f"models.*.backbone.weights: no file {path}; put timm's weights of {entry.name} there")
    if entry.sha256 and sha256_of(path) != entry.sha256:
        raise UserError(f"{path}: its SHA-256 is not models.*.backbone.sha256; get the file again or mend the digest")
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        absent, _ = backbone.network.load_state_dict(weights.get("state_dict", weights), strict=False)
    except Exception as error:  # of many types: the file is anything
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise UserError(f"{path}: no weights of {entry.name} ({reason[0].strip()}); get the file again") from None
    missing = [name for name in absent if NON_LOCAL not in name]  # these start anew, as the identity
    if missing:
        raise UserError(f"{path}: lacks {missing[0]!r} and {len(missing) - 1} more weights of {entry.name}")


class TrainedModel(NamedTuple):
    """A network with its trained weights, in eval mode, and what its file says of it."""

    network: BPBReID
    settings: Model
    part_names: list[str]
    provenance: dict


def save_model(
    path: Path, weights: dict[str, Tensor], settings: Model, part_names: list[str], identities: int, provenance: dict
) -> None:
    """Write weights as safetensors, with the model entry, part names, identity count and provenance as metadata."""
    metadata = {
        "config": settings.model_dump(mode="json"),
        "part_names": part_names,
        "identities": identities,
        "provenance": provenance,
    }
    write_weights(path, weights, metadata)


def load_model(path: Path) -> TrainedModel:
    """The trained network of a `model.safetensors`. Raises UserError if the file is damaged or not one of ours."""
    try:
        weights, metadata = read_weights(path)
        settings = Model.model_validate_json(json.dumps(metadata["config"]))
        part_names, identities, record = (metadata[name] for name in ("part_names", "identities", "provenance"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise UserError(f"{path}: not a trained model of this project ({reason}); train it again") from None
    scratch = settings.model_copy(update={"backbone": settings.backbone.model_copy(update={"weights": None})})
    network = new_model(scratch, len(part_names), identities)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path}: its weights do not fit its configuration ({reason}); train it again") from None
    return TrainedModel(network.eval(), settings, part_names, record)
