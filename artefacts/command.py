"""The command line of a package: one subcommand a module, and errors that a user can fix on one line."""

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from typing import TypeVar

from pydantic import ValidationError

from artefacts.errors import UserError, first_problem

Item = TypeVar("Item")


def run(package: str, stages: dict[str, str], argv: list[str] | None = None, modules: str | None = None) -> int:
    """Run `package STAGE …`; `stages` maps a stage to its one-line purpose.

    A stage is the module STAGE of the package `modules` (`package.stages`, unless given) with `add_arguments(parser)`
    and `run(arguments)`. Exit status 1 and one line on standard error for a `UserError`, for a wrong configuration and
    for a disk that is full or read-only; other exceptions keep their traceback.
    A termination signal ends the stage as an exception does, so that it cleans up behind itself. NumPy, which stages
    load, keeps to one thread a product, unless OPENBLAS_NUM_THREADS says otherwise.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    modules = modules or f"{package}.stages"
    parser = argparse.ArgumentParser(prog=package)
    word = modules.rpartition(".")[2].removesuffix("s").upper()
    subparsers = parser.add_subparsers(dest="stage", required=True, metavar=word)
    argv = sys.argv[1:] if argv is None else argv
    for name, purpose in stages.items():
        subparser = subparsers.add_parser(name, help=purpose, description=purpose)
        if argv and argv[0] == name:
            module = importlib.import_module(f"{modules}.{name.replace('-', '_')}")
            module.add_arguments(subparser)
    arguments = parser.parse_args(argv)
    with _on_termination(lambda number, frame: sys.exit(128 + number)):
        try:
            module.run(arguments)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except BrokenProcessPool:
            print("error: a process of this stage was ended; give it more memory or fewer threads", file=sys.stderr)
            return 1
        except (OSError, RuntimeError) as error:
            if (reason := os_error_in_chain(error)) is None:
                raise
            print(f"error: {reason}; what was finished is kept: fix that and run again", file=sys.stderr)
            return 1
        except ValidationError as error:
            print(f"error: --config: {first_problem(error)}", file=sys.stderr)
            return 1
    return 0


def os_error_in_chain(error: OSError | RuntimeError) -> str | None:
    """What the disk refused and where, if that is the error; libraries hide it in texts and in causes."""
    while error is not None:
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE):
            if getattr(error, "errno", None) == number or f"errno = {number}" in str(error):
                return f"{getattr(error, 'filename', None) or 'a file'}: {os.strerror(number)}"
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def termination() -> Iterator["Termination"]:
    """Meanwhile a termination signal ends nothing but what `awaited` of this waits for."""
    stop = Termination()
    with _on_termination(stop.note):
        yield stop


class Termination:
    """Whether a termination signal came, for work that must not stop within a step."""

    def __init__(self) -> None:
        self._status, self._waits = None, False

    def note(self, number: int, _: object) -> None:
        """Handle a signal: end the wait for the next step, or let the step be done first."""
        self._status = 128 + number
        self._end_if_asked()

    def _end_if_asked(self) -> None:
        if self._waits and self._status is not None:
            self._waits = False
            sys.exit(self._status)

    def awaited(self, items: Generator[Item], keep: Callable[[], None]) -> Iterator[Item]:
        """The items, each of which a step works on; `items` are closed in the end.

        What ends the work between two steps, a signal or an error of `items`, does so after `keep()`.
        """
        with closing(items):
            while True:
                try:
                    item = self._next(items)
                except StopIteration:
                    return
                except BaseException:
                    keep()
                    raise
                yield item

    def _next(self, items: Iterator[Item]) -> Item:
        self._waits = True
        try:
            self._end_if_asked()
            return next(items)
        finally:
            self._waits = False


@contextmanager
def _on_termination(handler: Callable) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
