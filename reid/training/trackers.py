"""Experiment trackers next to history.csv: which ones the environment asks for, by accelerate."""

import json
import os

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from artefacts.errors import UserError

VARIABLE = "REID_TRACKERS"  # such as tensorboard,wandb; of the environment, since it changes no result
PROJECT = "bpbreid"


def asked_for() -> list[str]:
    """Names of the trackers to use. Raises UserError for one that accelerate does not know or that is not installed."""
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    available = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise UserError(f"{VARIABLE}: {name!r} is not one of {', '.join(LOGGER_TYPE_TO_CLASS)}")
        if name not in available:
            raise UserError(f"{VARIABLE}: {name} is not installed; pip install {name}")
    return names


class Watch:
    """Tells the trackers of an accelerator the terms of every step; a context, at whose end they close."""

    def __init__(self, accelerator: Accelerator, run: str, settings: dict) -> None:
        self.accelerator, self.step = accelerator, 0
        accelerator.init_trackers(PROJECT, {"run": run, "settings": json.dumps(settings)})

    def __call__(self, terms: dict[str, float]) -> None:
        self.step += 1
        self.accelerator.log(terms, step=self.step)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.accelerator.end_training()
