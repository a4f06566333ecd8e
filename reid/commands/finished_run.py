"""Files of a finished run, found by the names in the configuration."""

import argparse
from collections.abc import Collection
from pathlib import Path

from artefacts.config import must_be_one_of
from artefacts.errors import UserError
from reid.config.files import CONFIGURATION, read_configuration
from reid.config.model_names import dataset_of, entry_of
from reid.config.root import Config

CONFIGFILE = f"YAML files of the configuration, later over earlier ({' '.join(map(str, CONFIGURATION))})"


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """The options that say where configuration and results lie."""
    parser.add_argument("--configfile", type=Path, nargs="+", default=CONFIGURATION, help=CONFIGFILE)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of finished runs (results)")


def configuration(arguments: argparse.Namespace) -> Config:
    """The configuration, which has the `dataset` and the `model` asked for. Raises UserError otherwise."""
    config = read_configuration(arguments.configfile)
    known_name("dataset", arguments.dataset, config.with_images)
    known_name("model", entry_of(arguments.model), config.models)
    if source := dataset_of(arguments.model):
        known_name(f"model {arguments.model}", source, config.trainable)
    return config


def known_name(option: str, name: str, entries: Collection[str]) -> None:
    """Raises UserError unless `name` is among the entries."""
    try:
        must_be_one_of(option, name, entries)
    except ValueError as error:
        raise UserError(str(error)) from None


def require_file(path: Path) -> Path:
    """The same path. Raises UserError, with the command that makes it, if there is no such file."""
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it: snakemake --cores 2 {path}")
    return path
