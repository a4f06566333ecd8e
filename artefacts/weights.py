"""Weights as safetensors: the same content gives the same bytes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from artefacts.files import replacing

if TYPE_CHECKING:  # torch takes seconds to import, and metadata are read without it
    from torch import Tensor

KEY = "bpbreid"  # the only metadata key: safetensors writes several in another order in every process


def write_weights(path: Path, weights: dict[str, "Tensor"], metadata: dict) -> None:
    """Write tensors by name, and `metadata` (anything that JSON knows) as one JSON text, to `path` atomically."""
    from safetensors.torch import save_file

    with replacing(path) as temporary:
        contiguous = {name: tensor.contiguous() for name, tensor in weights.items()}
        save_file(contiguous, temporary, {KEY: json.dumps(metadata)} if metadata else None)


def read_weights(path: Path) -> tuple[dict[str, "Tensor"], dict]:
    """Tensors by name, and the metadata. Raises SafetensorError or OSError for a file that is not safetensors."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _decoded(file.metadata())  # noqa: SIM118


def read_metadata(path: Path) -> dict:
    """The metadata alone; empty where there are none. Raises as `read_weights`."""
    with safe_open(path, "np") as file:
        return _decoded(file.metadata())


def _decoded(metadata: dict[str, str] | None) -> dict:
    """What `write_weights` was given. Earlier versions, as the shipped network's, wrote each key as JSON of its own."""
    metadata = metadata or {}
    if KEY in metadata:
        return dict(json.loads(metadata[KEY]))
    return {name: _json_or_text(value) for name, value in metadata.items()}


def _json_or_text(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value
