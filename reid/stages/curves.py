"""Draw the training curves of a model, all seeds on one page."""

import argparse
from pathlib import Path

import pandas as pd

from artefacts.errors import UserError
from reid.config.stages import CurvesConfig
from reid.report.curves import training_curves
from reid.report.style import write_svg


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: dataset, model")
    parser.add_argument("--histories", type=Path, nargs="+", required=True, help="seed{seed}/history.csv files")
    parser.add_argument("--figure", type=Path, required=True, help="output SVG")


def run(arguments: argparse.Namespace) -> None:
    settings = CurvesConfig.model_validate_json(arguments.config)
    histories = {int(path.parent.name.removeprefix("seed")): _read(path) for path in arguments.histories}
    write_svg(training_curves(histories, f"{settings.model} on {settings.dataset}"), arguments.figure)


def _read(path: Path) -> pd.DataFrame:
    try:
        history = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a history of the train stage; run it again ({error})") from None
    if "epoch" not in history or history.empty:
        raise UserError(f"{path}: has no epoch; run train again")
    return history
