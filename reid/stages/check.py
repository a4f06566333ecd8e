"""Stop before anything is labelled or trained where stage protocol found what the configuration does not allow."""

import argparse
import json
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--findings", type=Path, required=True, help="JSON of stage protocol")
    parser.add_argument("--accepted", type=Path, required=True, help="output: what is allowed, a line each")


def run(arguments: argparse.Namespace) -> None:
    """Write the list of what is allowed. Raises UserError, naming finding, key and report, for what is not."""
    try:
        content = json.loads(arguments.findings.read_text(encoding="utf-8"))
        refused = [finding for finding in content["findings"] if not finding["allowed"]]
        accepted = [f"{finding['name']}: {finding['count']}\n" for finding in content["findings"] if finding["allowed"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{arguments.findings}: not of the protocol stage; run it again ({error!r})") from None
    if refused:
        raise UserError(_message(content, refused))
    write_text(arguments.accepted, "".join(accepted))


def _message(content: dict, refused: list[dict]) -> str:
    first, *others = refused
    more = f"; also {', '.join(finding['name'] for finding in others)}" if others else ""
    return (
        f"{content['report']}: {first['says']}: {first['count']:,}, first {first['cases'][0]!a}{more}. "
        f"{first['change']} To go on with it as it is, {' and '.join(finding['accept'] for finding in refused)}"
    )
