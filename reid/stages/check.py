"""Stop before anything is labelled or trained where a dataset has findings that the configuration does not allow."""

import argparse
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import write_text
from artefacts.manifest import read_manifest
from reid.config.stages import ProtocolConfig
from reid.data.protocol import Problem, count_positives, problems
from reid.report.protocol import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="name, allow, unreadable, JSON")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True, help="Markdown, written in any case")
    parser.add_argument("--accepted", type=Path, required=True, help="output: what is allowed, a line each")


def run(arguments: argparse.Namespace) -> None:
    """Write the list of what is allowed. Raises UserError, naming finding, key and report, for what is not."""
    config = ProtocolConfig.model_validate_json(arguments.config)
    rows = read_manifest(arguments.manifest)
    reach = count_positives(rows)
    found = problems(rows, reach)
    write_text(arguments.report, report(config, rows, reach, found))
    refused = [problem for problem in found if not config.accepts(problem.name)]
    if refused:
        raise UserError(_message(arguments.report, config.name, refused))
    write_text(arguments.accepted, "".join(f"{problem.name}: {len(problem.cases)}\n" for problem in found))


def _message(report: Path, dataset: str, refused: list[Problem]) -> str:
    first, *others = refused
    more = f"; also {', '.join(problem.name for problem in others)}" if others else ""
    return (
        f"{report}: {first.says}: {len(first.cases):,}, first {first.cases[0]!a}{more}. {first.change} To go on with "
        f"the dataset as it is, {' and '.join(problem.accepting(dataset) for problem in refused)}"
    )
