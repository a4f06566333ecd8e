"""The learning rate (Section 4.2)."""

from reid.config import Training


def learning_rate(epoch: float, settings: Training) -> float:
    """The rate after `epoch` epochs: a linear warm-up, then a fall by `decay` at each milestone.

    A fractional epoch lies between two: the rate changes with every batch of the warm-up, so that short trainings
    warm up smoothly too.
    """
    if epoch < settings.warmup_epochs:
        done = epoch / settings.warmup_epochs
        return settings.warmup_rate + done * (settings.learning_rate - settings.warmup_rate)
    fallen = sum(epoch >= milestone for milestone in settings.milestones)
    return settings.learning_rate * settings.decay**fallen
