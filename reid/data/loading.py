"""Loaders: what training and extraction iterate over.

```
loader = training_loader(root, read_manifest(path, "train"), LabelFile(labels), model, seed, workers=4)
for epoch in range(first, model.training.epochs):
    for batch in loader.epoch(epoch):  # loader.length(epoch) batches
        images = normalised(batch.images.to(device))
```
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from artefacts.errors import UserError
from artefacts.manifest import ImageRow
from artefacts.workers import Workers
from reid.config.root import Model
from reid.data.combination import Labels
from reid.data.sampler import EpochBatches, EvenSampler, IdentitySampler
from reid.data.samples import TestBatch, TestSamples, TrainingBatch, TrainingSamples

log = logging.getLogger(__name__)
PURPOSE, PATIENCE = "loads images", 300  # of a loader process; seconds that a batch may take


class TrainingLoader:
    """P x K batches of augmented training samples; any epoch may be asked for, and workers outlive it."""

    def __init__(self, samples: TrainingSamples, batches: EpochBatches, workers: int) -> None:
        self.identities = len(samples.number_of)  # I, how many the identity classifiers tell apart
        self._batches = batches
        self._workers = Workers(workers, lambda: samples.__getitems__, PURPOSE, PATIENCE)

    def length(self, epoch: int) -> int:
        """Batches of an epoch; it may differ a little between epochs."""
        return len(self._batches.sampler.batches(epoch))

    def epoch(self, epoch: int, first: int = 0) -> Iterator[TrainingBatch]:
        """The batches of an epoch from number `first` on, the same in every run.

        Raises UserError for an image that cannot be read, and WorkerFailed (see `Workers`). Close it if it is not used
        up, so that the processes end.
        """
        self._batches.epoch, self._batches.first = epoch, first
        yield from self._workers.map(self._batches)


def training_loader(
    root: Path, rows: Sequence[ImageRow], labels: Labels | None, model: Model, seed: int, workers: int,
    with_confidences: bool = False, process: int = 0, dataset_of: Mapping[int, str] | None = None,
) -> TrainingLoader:  # fmt: skip
    """The training batches of a model: `rows` of the manifest's train split, with their label maps, if there are any.

    `workers` processes load them (0: this one), which changes no batch. Of several `training.processes`, number
    `process` gets its share of each. With `dataset_of` each identity, batches take as many identities of each dataset.

    Raises UserError if an image has no labels, or if there are fewer identities than a batch needs.
    """
    rows = readable(rows)
    unlabelled = [row.key for row in rows if labels is not None and row.key not in labels]
    if unlabelled:
        raise UserError(f"{labels.path}: has no image {unlabelled[0]!r} ({len(unlabelled)} missing); label it again")
    samples = TrainingSamples(root, rows, labels, model.size, model.augmentation, seed, with_confidences)
    training = model.training
    identities, size = [row.identity for row in rows], (training.ids_per_batch, training.images_per_id)
    sampler = IdentitySampler(identities, *size, seed)
    if dataset_of is not None:
        sampler = EvenSampler(identities, dataset_of, *size, seed)
    return TrainingLoader(samples, EpochBatches(sampler, process, training.processes), workers)


def embedding_loader(
    root: Path, rows: Sequence[ImageRow], size: tuple[int, int], batch_size: int, workers: int,
    labels: Labels | None = None,
) -> Iterator[TestBatch]:  # fmt: skip
    """All readable rows in their order, `batch_size` at a time, at `size` (height, width).

    No labels are needed, but by a model whose attention they are.
    """
    samples = TestSamples(root, readable(rows), size, labels)
    batches = [range(len(samples))[start : start + batch_size] for start in range(0, len(samples), batch_size)]
    with Workers(workers, lambda: samples.__getitems__, PURPOSE, PATIENCE) as loaders:
        yield from loaders.map(batches)


def readable(rows: Sequence[ImageRow]) -> list[ImageRow]:
    """The rows whose image could be decoded; how many are left out is logged."""
    kept = [row for row in rows if row.readable]
    if len(kept) < len(rows):
        log.warning("%d of %d images cannot be read and are left out", len(rows) - len(kept), len(rows))
    return kept
