"""Batches on their way to the device that computes on them."""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TypeVar

import torch

from reid.data.samples import TestBatch, TrainingBatch

Batch = TypeVar("Batch", TrainingBatch, TestBatch)


def on_device(batches: Generator[Batch], device: torch.device, fields: Sequence[str]) -> Generator[Batch]:
    """The batches with these of their tensors on `device`; the others stay. Closing it closes `batches`.

    A GPU is given a batch while it computes on the one before: the copy starts from pinned memory, runs on a stream of
    its own, and the host does not wait for it. The next batch is asked for when the work on the last one is queued.
    """
    with closing(batches):
        if device.type != "cuda":
            yield from batches
            return
        stream = torch.cuda.Stream(device)
        for batch in batches:
            with torch.cuda.stream(stream):
                tensors = {name: getattr(batch, name) for name in fields if getattr(batch, name) is not None}
                copies = {name: one.pin_memory().to(device, non_blocking=True) for name, one in tensors.items()}
            computing = torch.cuda.current_stream(device)
            computing.wait_stream(stream)
            for copy in copies.values():
                copy.record_stream(computing)  # else its memory could be taken for the next batch before it is used
            yield batch._replace(**copies)
