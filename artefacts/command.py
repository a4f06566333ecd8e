"""The command line of a package: one subcommand a stage, and errors that a user can mend on one line."""

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from artefacts.errors import UserError, first_problem


def run(package: str, stages: dict[str, str], argv: list[str] | None = None) -> int:
    """Run `package STAGE …`; `stages` maps a stage to its one-line purpose.

    A stage is the module `package.stages.STAGE` with `add_arguments(parser)` and `run(arguments)`. Exit status 1 and
    one line on standard error for a `UserError`, for a wrong configuration and for a disk that is full or read-only;
    other exceptions keep their traceback.
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
        except (OSError, RuntimeError) as error:
            if (reason := refused_by_disk(error)) is None:
                raise
            print(f"error: {reason}; what was finished is kept: mend that and run again", file=sys.stderr)
            return 1
        except ValidationError as error:
            print(f"error: --config: {first_problem(error)}", file=sys.stderr)
            return 1
    return 0


def refused_by_disk(error: OSError | RuntimeError) -> str | None:
    """What the disk refused and where, if that is the error; libraries hide it in texts and in causes."""
    while error is not None:
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            if getattr(error, "errno", None) == number or f"errno = {number}" in str(error):
                return f"{getattr(error, 'filename', None) or 'writing a file'}: {os.strerror(number)}"
        error = error.__cause__ or error.__context__
    return None


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
