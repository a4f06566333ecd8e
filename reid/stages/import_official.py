"""Bring a checkpoint that the authors released into our format, without their code and without trusting the file."""

import argparse
import json
from pathlib import Path

import yaml

from artefacts.config import Section
from artefacts.errors import UserError
from artefacts.provenance import provenance
from reid.checkpoints.official import Released, our_weights, read_released
from reid.checkpoints.official_settings import differences
from reid.checkpoints.store import new_model, save_model
from reid.config.root import Model, ModelInUse, load


class Settings(Section):
    """The slice of the configuration that decides this stage."""

    name: str  # entry of models
    model: ModelInUse
    schemes: dict[str, list[str]]  # names of the parts of schemes that it may know


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a checkpoint of the authors (.pth.tar)")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--model", metavar="NAME", help="entry of models in ./config.yaml that it fits")
    chosen.add_argument("--config", help="in place of --model, JSON: name, model, schemes")
    parser.add_argument("--output", type=Path, required=True, help="output safetensors, as of the train stage")


def run(arguments: argparse.Namespace) -> None:
    settings = Settings.model_validate_json(arguments.config) if arguments.config else _configured(arguments.model)
    released = read_released(arguments.file)
    parts = _parts(arguments.file, released, settings)
    other = differences(released.settings, settings.model)
    if other:
        raise UserError(f"{arguments.file}: differs from models.{settings.name}: {'; '.join(other)}; mend the entry")
    model = Model.of(settings.model)
    scratch = model.model_copy(update={"backbone": model.backbone.model_copy(update={"weights": None})})
    wanted = new_model(scratch, len(parts), released.identities).state_dict()
    try:
        weights, left_out = our_weights(released.weights, wanted)
    except ValueError as error:
        raise UserError(f"{arguments.file}: does not fit models.{settings.name}: {error}") from None
    inputs = {"released": arguments.file}
    record = provenance("reid.stages.import_official", settings.model_dump(mode="json"), inputs)
    record |= {"released": {"settings": released.settings, "scores": released.scores, "left_out": left_out}}
    save_model(arguments.output, weights, model, parts, released.identities, record)
    _report(weights, left_out, arguments.output)


def _configured(name: str) -> Settings:
    """The settings of an entry of ./config.yaml."""
    try:
        config = load(yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"config.yaml: cannot be read; run this in the project's folder ({error})") from None
    if name not in config.models:
        raise UserError(f"--model: {name!r} is not one of models in config.yaml: {', '.join(config.models)}")
    entry = config.model(name)
    schemes = {entry.scheme: config.schemes[entry.scheme]} if entry.scheme else config.schemes
    parts = {scheme: list(content.parts) for scheme, content in schemes.items()}
    return Settings(name=name, model=ModelInUse.of(entry), schemes=parts)


def _parts(file: Path, released: Released, settings: Settings) -> list[str]:
    """Names of the parts, in the order that both codes number them: of the scheme that the file names."""
    masks = released.settings.get("model", {}).get("bpbreid", {}).get("masks", {})
    name = masks.get("preprocess") or (next(iter(settings.schemes)) if len(settings.schemes) == 1 else None)
    if name not in settings.schemes:
        raise UserError(
            f"{file}: its part scheme is {name!r}, which is none of {', '.join(settings.schemes)}; "
            f"set models.{settings.name}.scheme"
        )
    if len(settings.schemes[name]) != released.parts:
        raise UserError(f"{file}: knows {released.parts} parts, but {name} has {len(settings.schemes[name])}")
    return settings.schemes[name]


def _report(weights: dict, left_out: dict[str, int], output: Path) -> None:
    print(f"{output}: {len(weights)} parameters; left out, as no embedding needs them: {json.dumps(left_out)}")
