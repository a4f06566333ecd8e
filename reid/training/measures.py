"""What a training shows of itself next to its losses, and means over an epoch that stay on the device until read."""

from collections.abc import Iterable, Mapping

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


class RunningMeans:
    """Means of named values over the batches of an epoch, summed in double precision where the values are."""

    def __init__(self) -> None:
        self._totals: dict[str, Total] = {}

    def add(self, totals: Mapping[str, Total]) -> None:
        """Count a batch. Nothing is read, so that a GPU is not awaited."""
        for name, value in totals.items():
            value = value.detach().double()
            self._totals[name] = self._totals[name] + value if name in self._totals else value

    def read(self) -> dict[str, float]:
        """The means by name; NaN of no value at all."""
        return means(self._totals)

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs, on the CPU."""
        return {name: value.cpu() for name, value in self._totals.items()}

    def restore(self, saved: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from what `state` gave."""
        self._totals = {name: value.to(device) for name, value in saved.items()}


def means(totals: Mapping[str, Total]) -> dict[str, float]:
    """The mean of each total by its name, read in one transfer; NaN of no value at all."""
    if not totals:
        return {}
    sums, counts = torch.stack(list(totals.values())).T
    return dict(zip(totals, (sums / counts).tolist(), strict=True))
