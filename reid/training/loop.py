"""The training loop: batches in, weights out."""

import logging
import resource
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from artefacts.command import termination
from artefacts.errors import UserError
from artefacts.progress import bar
from artefacts.state import State
from reid.data.loading import TrainingLoader
from reid.data.samples import TrainingBatch
from reid.training.early_warnings import early_warnings
from reid.training.trainer import History, NotFinite, Trainer

log = logging.getLogger(__name__)
Watch = Callable[[dict[str, float]], None]  # is told the terms and measures of every step


class Trained(NamedTuple):
    """The weights after the last epoch, on the CPU, and one row of means an epoch."""

    weights: dict[str, Tensor]
    history: History


def train(trainer: Trainer, loader: TrainingLoader, state: State, title: str, watch: Watch) -> Trained:
    """Train from where `state` stopped to the end, saving after every epoch and when a signal or the loader ends it."""
    saved = state.load()
    if saved is not None:
        trainer.restore(saved)
        _warn(trainer)
    settings, speaks = trainer.settings.training, trainer.accelerator.is_main_process
    size = settings.batch_size
    lengths = [loader.length(epoch) for epoch in range(settings.epochs)]
    done = sum(lengths[: trainer.epoch]) + trainer.batch
    with bar(sum(lengths) * size, title, "image", done * size, silent=not speaks) as progress, termination() as stop:
        while trainer.epoch < settings.epochs:
            length = lengths[trainer.epoch]
            batches = loader.epoch(trainer.epoch, trainer.batch)
            for batch in stop.awaited(batches, lambda: _keep(trainer, state)):
                terms = _step(trainer, batch, length, state)
                watch(terms)
                progress.set_postfix_str(_shown(trainer, terms), refresh=False)
                progress.update(size)
            trainer.end_epoch()
            if trainer.epoch == 1:
                progress.clear()
                _warn(trainer)
            _keep(trainer, state)
    return Trained(_finite(trainer.weights()), trainer.history)


def _step(trainer: Trainer, batch: TrainingBatch, length: int, state: State) -> dict[str, float]:
    """The terms of one step. Raises UserError, having kept the keys of the batch, if the loss is not finite."""
    try:
        return trainer.step(batch, length)
    except NotFinite as error:
        note = {"epoch": trainer.epoch + 1, "batch": trainer.batch + 1, "terms": error.terms, "images": batch.keys}
        raise UserError(
            f"the loss is not finite in epoch {trainer.epoch + 1} ({error}); the images of this batch are listed in "
            f"{state.note('not_finite.json', note)}; lower models.*.training.learning_rate or use precision: float32"
        ) from None


def _finite(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights as they are. Raises UserError if the last steps, whose loss nobody asked for again, spoilt them."""
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"the trained weights are not finite ({name}); lower models.*.training.learning_rate or use "
                "precision: float32"
            )
    return weights


def _warn(trainer: Trainer) -> None:
    """Say what the first epoch showed; again where a training goes on, whose log begins anew."""
    if trainer.history and trainer.accelerator.is_main_process:
        for line in early_warnings(trainer.history[0], trainer.settings.loss):
            log.warning("warning: %s", line)


def _keep(trainer: Trainer, state: State) -> None:
    if trainer.accelerator.is_main_process:
        state.save(trainer.state())


def _shown(trainer: Trainer, terms: dict[str, float]) -> str:
    losses = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
    return f"epoch {trainer.epoch + 1}, {losses}, {_peak_memory() / 2**30:.1f} GiB"


def _peak_memory() -> int:
    """Bytes that the GPU, or else this process, has held at most."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
