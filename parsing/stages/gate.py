"""Let a dataset's labels pass to the training, if they are what `labels.gate` asks for."""

import argparse
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import write_text
from parsing.config import Gate
from parsing.quality.report import coverage
from parsing.stage_config import GateConfig
from parsing.store import FieldFile, LabelFile

PASSED = "The labels are what labels.gate asks for.\n"  # the same for all, so that checking again reruns nothing
LEAST, MOST = ("labelled", "visible_parts"), ("unreadable", "too_small", "ambiguous")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="name, gate, JSON")
    parser.add_argument("--labels", type=Path, required=True, help="HDF5 of the labels")
    parser.add_argument("--fields", type=Path, required=True, help="HDF5 of the maps that they were made from")
    parser.add_argument("--passed", type=Path, required=True, help="output text, the same for all that passes")


def run(arguments: argparse.Namespace) -> None:
    config = GateConfig.model_validate_json(arguments.config)
    labels = LabelFile(arguments.labels)
    measures, _ = coverage(labels, FieldFile(arguments.fields), labels.keys)
    if failures := list(_failures(measures, config.gate)):
        sheet = arguments.labels.with_suffix(".qc.png")
        raise UserError(
            f"{arguments.labels}: the labels of {config.name} are not good enough to train on: {'; '.join(failures)}. "
            f"Look at {sheet} (snakemake {sheet}); then fix images or labels, or change datasets.{config.name}.gate"
        )
    write_text(arguments.passed, PASSED)


def _failures(measures: dict, gate: Gate) -> list[str]:
    limits = gate.model_dump()
    under = [(name, "less than") for name in LEAST if limits[name] is not None and measures[name] < limits[name]]
    over = [(name, "more than") for name in MOST if limits[name] is not None and measures[name] > limits[name]]
    return [f"{name} is {measures[name]:.3g}, {than} {limits[name]:g}" for name, than in under + over]
