"""The batches of a shard, each kept in a file of its own as soon as it is done, so that a kill loses no other.

Several processes of one thread each do more a second than one process of several threads. Each loads its images, runs
the network and decodes skeletons, which takes as long as the network on a fast device; so as many of them as there are
cores keep a GPU busy, too.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from artefacts.manifest import Source
from artefacts.workers import Workers
from parsing.pifpaf.extraction import ExtractionJob, FieldExtractor, batches_of
from parsing.store import write_fields

LEAST = 16  # batches a process, which takes seconds to start
PATIENCE = 1800  # seconds that a batch may take, with the start of a process


@dataclass(frozen=True)
class ShardWork:
    """A job, the folder that keeps its batches, and the attributes of their files (see `store.write_fields`)."""

    job: ExtractionJob
    folder: Path
    attributes: dict


def find_batches(sources: list[Source], work: ShardWork, processes: int) -> Iterator[Path]:
    """Files with the rows of `sources`, a batch each, in their order. Raises WorkerFailed (see `Workers`)."""
    batches = batches_of(sources, work.job.batch_size)
    processes = min(processes, len(batches) // LEAST)
    if not batches:
        return
    processes = processes if processes > 1 else 0
    start = "spawn"  # a forked process would hang in torch's threads
    with Workers(processes, partial(BatchCache, work), "finds body parts", PATIENCE, start) as workers:
        yield from workers.map(batches)


class BatchCache:
    """Finds the rows of a batch and keeps them in a new file."""

    def __init__(self, work: ShardWork) -> None:
        self.work, self.finder = work, FieldExtractor(work.job)

    def __call__(self, batch: list[Source]) -> Path:
        rows = self.finder(batch)
        path = self.work.folder / f"{uuid.uuid4().hex}.h5"
        write_fields(path, self.finder.grid, len(rows), rows, self.work.attributes)
        return path
