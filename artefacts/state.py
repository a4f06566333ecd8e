"""Work in progress that survives a kill: one file in a directory of its own, never an output of a rule."""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from artefacts.errors import UserError
from artefacts.files import replacing, write_json

log = logging.getLogger(__name__)
LOCK = "lock"  # file of a state's directory that stays when the rest is removed


def fingerprint(content: object) -> str:
    """Digest of all that decides the result; a state with another one is not ours to continue."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class State:
    """The last saved state of one training. A missing, damaged or foreign one reads as None: start over."""

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self._file = directory / "state.pt"
        self._fingerprint = fingerprint

    def load(self) -> dict | None:
        """What `save` was last given, if it is whole and belongs to the same work."""
        if not self._file.exists():
            return None
        try:
            content = torch.load(self._file, map_location="cpu", weights_only=True)
            fingerprint, state = content["fingerprint"], content["state"]
        except Exception as error:  # of many types: the file is anything
            log.warning("%s is damaged (%s): starting over", self._file, type(error).__name__)
            return None
        if fingerprint != self._fingerprint:
            log.warning("%s belongs to other settings, code or inputs: starting over", self._file)
            return None
        return state

    def save(self, state: dict) -> None:
        """Keep `state` (tensors, numbers, texts, lists, dicts), replacing the last one atomically."""
        with replacing(self._file) as path:
            torch.save({"fingerprint": self._fingerprint, "state": state}, path)

    def note(self, name: str, content: object) -> Path:
        """The file `name` beside the state, with `content` as JSON: what to look at after a failure."""
        path = self._file.with_name(name)
        write_json(path, content)
        return path

    def discard(self) -> None:
        """Forget the state: the output that it led to is in place."""
        self._file.unlink(missing_ok=True)


@contextmanager
def working_state(directory: Path, fingerprint: str) -> Iterator[State]:
    """The state of a training in a directory that nobody else works in meanwhile (see `locked`)."""
    with locked(directory):
        yield State(directory, fingerprint)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Meanwhile nobody else works in `directory`, which is made; the lock falls with the process, however it ends.

    Raises UserError when another process, such as a trainer that outlived its snakemake, still holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{directory}: another process works here; wait for it or stop it first") from None
    try:
        yield
    finally:
        lock.release()
