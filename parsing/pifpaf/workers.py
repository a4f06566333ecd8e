"""The batches of a shard, each kept in a file of its own as soon as it is done, so that a kill loses no other.

Several processes of one thread each do more a second than one process of several threads. Each loads its images, runs
the network and decodes skeletons, which takes as long as the network on a fast device; so as many of them as there are
cores keep a GPU busy, too.
"""

import multiprocessing
import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from artefacts.manifest import Source
from parsing.pifpaf.extraction import Finder, Job, batches_of
from parsing.store import write_fields

LEAST = 16  # batches a process, which takes seconds to start


@dataclass(frozen=True)
class Work:
    """A job, the folder that keeps its batches, and the attributes of their files (see `store.write_fields`)."""

    job: Job
    folder: Path
    attributes: dict


def find_batches(sources: list[Source], work: Work, processes: int) -> Iterator[Path]:
    """Files with the rows of `sources`, a batch each, in their order."""
    batches = batches_of(sources, work.job.batch_size)
    processes = min(processes, len(batches) // LEAST)
    if not batches:
        return
    if processes < 2:
        yield from map(Keeper(work), batches)
        return
    context = multiprocessing.get_context("spawn")  # a forked process would hang in torch's threads
    with ProcessPoolExecutor(processes, context, _start, (work,)) as pool:
        try:
            yield from pool.map(_keep, batches)
        finally:
            pool.shutdown(cancel_futures=True)


class Keeper:
    """Finds the rows of a batch and keeps them in a new file."""

    def __init__(self, work: Work) -> None:
        self.work, self.finder = work, Finder(work.job)

    def __call__(self, batch: list[Source]) -> Path:
        rows = self.finder(batch)
        path = self.work.folder / f"{uuid.uuid4().hex}.h5"
        write_fields(path, self.finder.grid, len(rows), rows, self.work.attributes)
        return path


_keeper = None


def _start(work: Work) -> None:
    global _keeper
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keeper = Keeper(work)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _keep(batch: list[Source]) -> Path:
    return _keeper(batch)
