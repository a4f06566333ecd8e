"""The command line of a package: one subcommand a stage, and errors that a user can mend on one line."""

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from artefacts.errors import UserError, first_problem


def run(package: str, stages: dict[str, str], argv: list[str] | None = None) -> int:
    """Run `package STAGE …`; `stages` maps a stage to its one-line purpose.

    A stage is the module `package.stages.STAGE` with `add_arguments(parser)` and `run(arguments)`. Exit status 1 and
    one line on standard error for a `UserError` and for a wrong configuration; other exceptions keep their traceback.
    A termination signal ends the stage as an exception does, so that it cleans up behind itself.
    """
    parser = argparse.ArgumentParser(prog=package)
    subparsers = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    argv = sys.argv[1:] if argv is None else argv
    for name, purpose in stages.items():
        subparser = subparsers.add_parser(name, help=purpose, description=purpose)
        if argv and argv[0] == name:
            module = importlib.import_module(f"{package}.stages.{name.replace('-', '_')}")
            module.add_arguments(subparser)
    arguments = parser.parse_args(argv)
    with _on_termination(lambda number, frame: sys.exit(128 + number)):
        try:
            module.run(arguments)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except ValidationError as error:
            print(f"error: --config: {first_problem(error)}", file=sys.stderr)
            return 1
    return 0


@contextmanager
def termination() -> Iterator[list[int]]:
    """A list that meanwhile holds the termination signals that came, for work that must reach a good point to stop."""
    asked: list[int] = []
    with _on_termination(lambda number, frame: asked.append(number)):
        yield asked


@contextmanager
def _on_termination(handler: Callable) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
