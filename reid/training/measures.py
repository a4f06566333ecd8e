"""What a training shows of itself next to its losses, what of it waits to be read, and means over an epoch."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from parsing.schemes import UNKNOWN

MEASURES = ("identity_accuracy", "true_part_probability")
Total = Float[Tensor, "2"]  # a sum, and of how many values


def total(value: Float[Tensor, ""]) -> Total:
    """The total of a single value."""
    return torch.stack([value, torch.ones_like(value)])


def identity_accuracy(
    scores: Iterable[Float[Tensor, "N I"] | Float[Tensor, "N K I"]], identities: Integer[Tensor, "N"]
) -> Total:
    """The share of images, 0..1, whose own identity scores highest, averaged over embeddings (and over parts)."""
    best = [one.argmax(dim=-1).view(len(identities), -1) for one in scores]
    return total(torch.stack([(one == identities[:, None]).float().mean() for one in best]).mean())


def true_part_probability(attention: Float[Tensor, "N L h w"], labels: Integer[Tensor, "N h w"]) -> Total:
    """The attention (Eq. 1), 0..1, that each labelled cell pays to its own label, over all of them."""
    known = labels != UNKNOWN
    true = attention.gather(1, labels.long().where(known, 0)[:, None])[:, 0]
    return torch.stack([(true * known).sum(), known.sum().to(true.dtype)])


class Readings:
    """What steps measured, left on the device until it is read: for all steps at once, since reading waits for it.

    A `step` is anything that says which one it was; the names of all steps are the same.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pending: list[tuple[object, Float[Tensor, "T 2"]]] = []

    def add(self, step: object, totals: Mapping[str, Total]) -> None:
        """Keep the totals of a step."""
        self._names = list(totals)
        self._pending.append((step, torch.stack(list(totals.values())).detach()))

    def read(self) -> Iterator[tuple[object, dict[str, list[float]]]]:
        """The steps since the last call and their totals by name."""
        if not self._pending:
            return
        steps, totals = zip(*self._pending, strict=True)
        self._pending = []
        for step, numbers in zip(steps, torch.stack(totals).cpu().tolist(), strict=True):
            yield step, dict(zip(self._names, numbers, strict=True))


class RunningMeans:
    """Means of named values over the batches of an epoch, summed in double precision."""

    def __init__(self) -> None:
        self._totals: dict[str, list[float]] = {}

    def add(self, totals: Mapping[str, Sequence[float]]) -> None:
        """Count a batch."""
        for name, (values, count) in totals.items():
            before = self._totals.get(name, (0.0, 0.0))
            self._totals[name] = [before[0] + float(values), before[1] + float(count)]

    def read(self) -> dict[str, float]:
        """The means by name; NaN of no value at all."""
        return means(self._totals)

    def state(self) -> dict[str, list[float]]:
        """All that `restore` needs."""
        return dict(self._totals)

    def restore(self, saved: Mapping[str, list[float]]) -> None:
        """Go on from what `state` gave."""
        self._totals = dict(saved)


def means(totals: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of each total by its name; NaN of no value at all."""
    return {name: float(values) / float(count) if count else math.nan for name, (values, count) in totals.items()}
