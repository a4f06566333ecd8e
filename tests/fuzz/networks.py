"""Files of networks and of the configuration, and what reads them."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml

from artefacts.config import overlaid
from artefacts.state import State
from reid.checkpoints.official import our_weights, read_released
from reid.checkpoints.official_schemes import part_names
from reid.checkpoints.official_settings import differences, unsupported
from reid.checkpoints.store import new_model, save_model
from reid.config.root import BackboneConfig, Config, Model, ModelInUse, load
from tests.configuration import all_content
from tests.fuzz.foreign import released_pickle, state_pickle
from tests.pifpaf import write_checkpoint


def released_checkpoints(folder: Path) -> Iterator[bytes]:
    yield released_pickle()


def import_released(path: Path) -> None:
    """All that stage import-official does with a file before it writes."""
    released, config = read_released(path), base_config()
    entry = ModelInUse.of(config.model("resnet50_official"))
    differences(released.settings, entry), unsupported(released.settings, entry)
    part_names(released, "own", None, {name: list(scheme.parts) for name, scheme in config.schemes.items()})
    our_weights(released.weights, {"part_classifier.weight": torch.zeros(9, 4)})


def states(folder: Path) -> Iterator[bytes]:
    yield state_pickle()


def read_state(path: Path) -> None:
    State(path.parent, "digest").load()


def pifpaf_checkpoints(folder: Path) -> Iterator[bytes]:
    whole = write_checkpoint(folder / "seed.safetensors").read_bytes()
    yield whole
    length = int.from_bytes(whole[:8], "little")
    yield whole[: 8 + length]  # fewer bytes, so that more changes fall upon what describes them


def models(folder: Path) -> Iterator[bytes]:
    entry = base_config().model("small").model_dump(mode="json") | {"size": [64, 32]}
    entry["backbone"] |= {"name": "test_resnet", "weights": None, "levels": [-1]}
    settings = Model.model_validate_json(json.dumps({name: entry[name] for name in Model.model_fields}))
    network = new_model(settings, 2, 3)
    save_model(folder / "seed.safetensors", network.state_dict(), settings, ["head", "legs"], 3, {})
    whole = (folder / "seed.safetensors").read_bytes()
    yield whole[: 8 + int.from_bytes(whole[:8], "little")]


def backbones(folder: Path) -> Iterator[bytes]:
    from safetensors.torch import save

    yield save({"conv1.weight": torch.zeros(2, 2)})


def read_backbone(path: Path) -> object:
    from reid.checkpoints.backbones import weighted_backbone

    return weighted_backbone(
        BackboneConfig(name="test_resnet", levels=(-1,), weights=str(path), last_stride=None), (64, 32)
    )


# The configuration.


def base_content() -> dict:
    return all_content()


@functools.cache
def base_config() -> Config:
    return load(base_content())


def configurations(folder: Path) -> Iterator[bytes]:
    yield b"models: {small: {training: {epochs: 3}}}\n"
    yield b"datasets: {own: {reader: names, root: own, scheme: five, pifpaf: small, options: {pattern: 'x(.*)'}}}\n"
    yield b"tables: {one: {rows: [{model: small, matching: default}], datasets: [synthetic]}}\n"
    yield b"labels: {kind: plain, gate: {labelled: 0.1}, silhouettes: {weights: w.pth, sha256: '0'}}\n"
    yield b"schemes: {two: {parts: {a: [0], b: [1]}, mirror: [[a, b]]}}\n"


def read_configuration(content: bytes, folder: Path) -> None:
    """A file of one's own, laid over the project's, as snakemake does it."""
    try:
        own = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError, OverflowError):
        return  # Snakemake says so
    config = load(overlaid(base_content(), own) if isinstance(own, dict) else own)
    for name in config.models:
        config.model(name)
