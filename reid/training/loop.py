"""The training loop: batches in, weights out."""

import logging
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from artefacts.command import termination
from artefacts.errors import UserError
from artefacts.progress import bar
from artefacts.state import State
from reid.data.loading import TrainingLoader
from reid.data.transfer import on_device
from reid.training.early_warnings import early_warnings
from reid.training.trainer import History, NotFinite, Trainer

log = logging.getLogger(__name__)
INTERVAL = 1.0  # seconds, at least, from one reading of what steps measured to the next
READ_BY_A_STEP = ("images", "labels", "identities", "confidences")
Watch = Callable[[dict[str, float]], None]  # is told the terms and measures of every step


class Trained(NamedTuple):
    """The weights after the last epoch, on the CPU, and one row of means an epoch."""

    weights: dict[str, Tensor]
    history: History


def train(
    trainer: Trainer, loader: TrainingLoader, state: State, title: str, watch: Watch, after_step: Callable[[], None]
) -> Trained:
    """Train from where `state` stopped to the end, saving after every epoch and when a signal or the loader ends it.

    `after_step` is called after each. Raises UserError, having kept the keys of the batch, if a loss is not finite.
    """
    saved = state.load()
    if saved is not None:
        trainer.restore(saved)
        _warn(trainer)
    settings, device = trainer.settings.training, trainer.accelerator.device
    lengths = [loader.length(epoch) for epoch in range(settings.epochs)]
    done = sum(lengths[: trainer.epoch]) + trainer.batch
    size, silent = settings.batch_size, not trainer.accelerator.is_main_process
    with bar(sum(lengths) * size, title, "image", done * size, silent) as progress, termination() as stop:
        reader = _Reader(trainer, state, watch, progress)
        while trainer.epoch < settings.epochs:
            batches = on_device(loader.epoch(trainer.epoch, trainer.batch), device, READ_BY_A_STEP)
            for batch in stop.awaited(batches, reader.save):
                trainer.step(batch, lengths[trainer.epoch])
                progress.update(size)
                reader.read_if_due()
                after_step()
            reader.read()
            trainer.end_epoch()
            if trainer.epoch == 1:
                progress.clear()
                _warn(trainer)
            reader.save()
    return Trained(_finite(trainer.weights()), trainer.history)


class _Reader:
    """Reads what steps measured, shows it and tells it to `watch`: all that has the host wait for the device."""

    def __init__(self, trainer: Trainer, state: State, watch: Watch, progress: tqdm) -> None:
        self.trainer, self.state, self.watch, self.progress = trainer, state, watch, progress
        self.last = time.monotonic()

    def read_if_due(self) -> None:
        """Read, unless it was done within the `INTERVAL`."""
        if time.monotonic() - self.last >= INTERVAL:
            self.read()

    def read(self) -> None:
        """Read all steps that have not been. Raises UserError for a loss that is not finite."""
        try:
            steps = self.trainer.read()
        except NotFinite as error:
            raise self._not_finite(error) from None
        for values in steps:
            self.watch(values)
        if steps:
            self.progress.set_postfix_str(_shown(self.trainer, steps[-1]), refresh=False)
        self.last = time.monotonic()

    def save(self) -> None:
        """Save the state, which holds what was read only, and no weights that a loss has spoilt."""
        self.read()
        if self.trainer.accelerator.is_main_process:
            self.state.save(self.trainer.state())

    def _not_finite(self, error: NotFinite) -> UserError:
        epoch, batch, keys = error.step
        note = {"epoch": epoch, "batch": batch, "terms": error.terms, "images": keys}
        return UserError(
            f"the loss is not finite in epoch {epoch} ({error}); the images of this batch are listed in "
            f"{self.state.note('not_finite.json', note)}; lower "
            "models.*.training.learning_rate or use precision: float32"
        )


def _finite(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights. Raises UserError if they are not finite, as the last step may make them."""
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


def _shown(trainer: Trainer, terms: dict[str, float]) -> str:
    losses = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
    return f"epoch {trainer.epoch + 1}, {losses}, {_peak_memory() / 2**30:.1f} GiB"


def _peak_memory() -> int:
    """Bytes that the GPU, or else this process, has held at most."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
