"""Work in progress that survives a kill, and finished work until its successor is there; never an output of a rule.

Snakemake removes the outputs of a job before it begins, and those of one that fails. So a stage keeps in a directory of
its own, in a folder for each setting (all that decides the result, by its fingerprint), what these settings have begun
and what they have finished. Nothing is overwritten by work with other settings:

    lock                       one process works here at a time
    {fingerprint}/state.pt     a training as far as it came; of other settings than the present the last KEPT
    {fingerprint}/finished/    links to the outputs that came of it
    {fingerprint}/superseded/  the same, since work with other settings has begun; removed when that is finished
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from artefacts.errors import UserError
from artefacts.files import NO_LOCKS, replacing, write_json

log = logging.getLogger(__name__)
LOCK, FINISHED, SUPERSEDED = "lock", "finished", "superseded"
KEPT = 2  # settings, next to the present ones, whose half-done work is kept


def fingerprint(content: object) -> str:
    """Digest of all that decides the result; work with another one is not ours to continue."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class State:
    """The last saved state of one training, and what it led to. A missing or damaged one reads as None: start over."""

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self._directory, self._folder = directory, folder_of(directory, fingerprint)
        self._file = self._folder / "state.pt"
        self._fingerprint = fingerprint

    def load(self) -> dict | None:
        """What `save` was last given, if it is whole and belongs to the same work. Raises OSError if the disk fails."""
        if not self._file.exists():
            return None
        try:
            content = torch.load(self._file, map_location="cpu", weights_only=True)
            fingerprint, state = content["fingerprint"], content["state"]
        except OSError:  # of the disk, not of the file
            raise
        except Exception as error:  # of many types: the file is anything
            log.warning("%s is damaged (%s): starting over", self._file, type(error).__name__)
            return None
        return state if fingerprint == self._fingerprint else None

    def save(self, state: dict) -> None:
        """Keep `state` (tensors, numbers, texts, lists, dicts), replacing the last one atomically."""
        with replacing(self._file) as path:
            torch.save({"fingerprint": self._fingerprint, "state": state}, path)

    def note(self, name: str, content: object) -> Path:
        """The file `name` next to the state, with `content` as JSON: what to look at after a failure."""
        path = self._directory / name
        write_json(path, content)
        return path

    def finish(self, outputs: Sequence[Path]) -> None:
        """Forget the state, now that its outputs are in place, and what they supersede; keep links to them."""
        for output in outputs:
            _link(output, self._folder / FINISHED / output.name)
        self._file.unlink(missing_ok=True)
        for superseded in self._directory.glob(f"*/{SUPERSEDED}"):
            shutil.rmtree(superseded)
            _remove_if_empty(superseded.parent)

    def put_back(self, outputs: Sequence[Path]) -> bool:
        """Whether these settings had finished, work with others had begun since, and the outputs are in place again."""
        superseded = self._folder / SUPERSEDED
        if not all((superseded / output.name).is_file() for output in outputs):
            return False
        for output in outputs:
            _link(superseded / output.name, output)
            os.utime(output)  # as new as any output
        superseded.rename(self._folder / FINISHED)
        log.warning("%s: these settings had finished before others began; put back", outputs[0])
        return True


def _link(source: Path, target: Path) -> None:
    with replacing(target) as path:
        try:
            os.link(source, path)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, path)


@contextmanager
def working_state(directory: Path, fingerprint: str) -> Iterator[State]:
    """The state of a training in a directory that is locked meanwhile (see `working_folder`)."""
    with working_folder(directory, fingerprint):
        yield State(directory, fingerprint)


@contextmanager
def working_folder(directory: Path, fingerprint: str) -> Iterator[Path]:
    """The folder of these settings in a directory that is locked meanwhile (see `locked`).

    What other settings finished becomes superseded, and of what they left half done the oldest are removed; both said.
    """
    with locked(directory):
        folder = folder_of(directory, fingerprint)
        folder.mkdir(exist_ok=True)
        others = [path for path in directory.iterdir() if path.is_dir() and path != folder]
        for other in others:
            if (other / FINISHED).is_dir():
                (other / FINISHED).rename(other / SUPERSEDED)
            if (other / SUPERSEDED).is_dir():
                log.warning("%s: finished with other settings, kept until the present work is done", other / SUPERSEDED)
        _keep_the_last(others)
        yield folder


def folder_of(directory: Path, fingerprint: str) -> Path:
    """Where work with these settings is kept."""
    return directory / fingerprint[:12]


def _keep_the_last(others: list[Path]) -> None:
    """Keep what KEPT of these folders hold of half-done work, and remove that of the others."""
    files = {other: [path for path in other.iterdir() if path.is_file()] for other in others}
    begun = [other for other in others if files[other]]
    begun.sort(key=lambda other: max(path.stat().st_mtime for path in files[other]), reverse=True)
    for other in begun[:KEPT]:
        log.warning("%s: half done with other settings, code or inputs, kept (of such, the last %d)", other, KEPT)
    for other in begun[KEPT:]:
        log.warning("%s: half done with other settings, code or inputs, removed", other)
        for path in files[other]:
            path.unlink()
    for other in others:
        _remove_if_empty(other)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Meanwhile no other process works in `directory`, which is made; the lock falls with the process, however it ends.

    A file system without locks is warned of. Raises UserError when another process, such as a trainer that outlived its
    snakemake, still holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{directory}: another process works here; wait for it or stop it first") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning("%s: its file system has no locks; see that no other process works here", directory)
    try:
        yield
    finally:
        lock.release()
