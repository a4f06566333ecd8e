"""The learning rate (Section 4.2)."""

import math

from reid.config.root import Training


def learning_rate(epoch: float, settings: Training) -> float:
    """The rate after `epoch` epochs: a linear warm-up, then a fall by `gamma` at each milestone.

    A fractional epoch lies between two: the rate changes with every batch of the warm-up, so that short trainings
    warm up smoothly too. Departs from the paper: with `warmup_steps: epoch`, as in the authors' released code, it
    changes only when an epoch begins, so that the first epoch is trained at `warmup_start_lr` throughout. With
    `schedule: cosine` it falls along half a cosine, from the end of the warm-up to 0 at the end of the last epoch.
    """
    if settings.warmup_steps == "epoch":
        epoch = math.floor(epoch)
    if epoch < settings.warmup_epochs:
        done = epoch / settings.warmup_epochs
        return settings.warmup_start_lr + done * (settings.learning_rate - settings.warmup_start_lr)
    if settings.schedule == "cosine":
        done = (epoch - settings.warmup_epochs) / max(1, settings.epochs - settings.warmup_epochs)
        return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
    fallen = sum(epoch >= milestone for milestone in settings.milestones)
    return settings.learning_rate * settings.gamma**fallen
