"""Bring a checkpoint that the authors released into our format, without their code and without trusting the file."""

import argparse
import json
from pathlib import Path

from artefacts.errors import UserError
from artefacts.provenance import provenance
from reid.checkpoints.official import Released, our_weights, read_released
from reid.checkpoints.official_schemes import part_names
from reid.checkpoints.official_settings import differences, unsupported
from reid.checkpoints.store import as_built, new_model, save_model
from reid.commands.finished_run import CONFIGFILE
from reid.config.files import CONFIGURATION, read_configuration
from reid.config.root import Model
from reid.config.stages import ImportOfficialConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a checkpoint of the authors (.pth.tar)")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--model", metavar="NAME", help="entry of models in the configuration that it fits")
    chosen.add_argument("--config", help="in place of --model, JSON: name, model, scheme, schemes")
    parser.add_argument("--configfile", type=Path, nargs="+", default=CONFIGURATION, help=CONFIGFILE)
    parser.add_argument("--output", type=Path, required=True, help="output safetensors, as of the train stage")


def run(arguments: argparse.Namespace) -> None:
    settings = _settings(arguments)
    released = read_released(arguments.file)
    try:
        _must_fit(released, settings)
        parts = part_names(released, settings.name, settings.scheme, settings.schemes)
        model = Model.of(settings.model)
        scratch = model.model_copy(update={"backbone": model.backbone.model_copy(update={"weights": None})})
        network = new_model(scratch, len(parts), released.identities)
        weights, left_out = our_weights(released.weights, network.state_dict())
    except (UserError, ValueError) as error:
        raise UserError(f"{arguments.file}: does not fit models.{settings.name}: {error}") from None
    inputs = {"released": arguments.file}
    record = provenance("reid.commands.import_official", settings.model_dump(mode="json"), inputs)
    record |= {"released": {"settings": released.settings, "scores": released.scores, "left_out": left_out}}
    save_model(arguments.output, weights, as_built(model, network), parts, released.identities, record)
    _report(weights, left_out, arguments.output)


def _settings(arguments: argparse.Namespace) -> ImportOfficialConfig:
    """What is given as JSON, or an entry of the configuration."""
    if arguments.config:
        return ImportOfficialConfig.model_validate_json(arguments.config)
    name, files = arguments.model, arguments.configfile
    config = read_configuration(files)
    if name not in config.models:
        raise UserError(f"--model: {name!r} is not one of models in {files[0]}: {', '.join(config.models)}")
    return ImportOfficialConfig.of(config, name)


def _must_fit(released: Released, settings: ImportOfficialConfig) -> None:
    """Raises ValueError, with what to do, if the settings of a checkpoint are not those of the model entry."""
    if other := unsupported(released.settings, settings.model):
        raise ValueError(f"{'; '.join(other)}: no entry can have that, and this checkpoint cannot be brought over")
    if other := differences(released.settings, settings.model):
        raise ValueError(f"{'; '.join(other)}; change the entry, or name another")


def _report(weights: dict, left_out: dict[str, int], output: Path) -> None:
    print(f"{output}: {len(weights)} parameters; left out, as no embedding needs them: {json.dumps(left_out)}")
