"""Download a file of weights that is not there. Weights only: datasets are their owners', and the user's to obtain."""

import argparse
from pathlib import Path

from artefacts.download import download
from artefacts.errors import UserError
from reid.config.stages import FetchConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: url")
    parser.add_argument("--file", type=Path, required=True, help="output: where the weights are kept")


def run(arguments: argparse.Namespace) -> None:
    config = FetchConfig.model_validate_json(arguments.config)
    if arguments.file.exists():  # put there since the workflow looked
        print(f"{arguments.file}: is there already; nothing is downloaded")
        return
    try:
        download(config.url, arguments.file, config.digits)
    except UserError as error:
        raise UserError(f"{error}, or set fetch to false to run what can be run without it") from None
