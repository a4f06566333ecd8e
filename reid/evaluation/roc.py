"""Verification: which share of the positive pairs a threshold on the distance accepts, at which share of negative ones.

Pairs are those that take part in the ranking: none of a query with its own identity on its own camera.
"""

import threading

import numpy as np

from reid.evaluation import kernels
from reid.evaluation.tiles import Tile

CELLS = 1 << 16
RATES = tuple(10.0**exponent for exponent in range(-5, 0))


class Roc:
    """Takes the tiles of distances that a `Ranking` has taken, and counts which lie up to each positive's.

    Only there can the curve rise, so that it is exact, although no distance is kept. `distances` [M] are the
    positives'.
    """

    def __init__(self, distances: np.ndarray):
        self._thresholds, positives = np.unique(distances.astype(np.float32), return_counts=True)
        self._positives = np.cumsum(positives)
        finite = self._thresholds[np.isfinite(self._thresholds)]
        low, high = (finite[0], finite[-1]) if len(finite) else (np.float32(0), np.float32(0))
        self._low, self._scale = low, np.float32(CELLS / (high - low)) if high > low else np.float32(0)
        self._first = kernels.first_thresholds(self._thresholds, self._low, self._scale, CELLS)
        self._threads: list[np.ndarray] = []  # counts of each thread that adds tiles
        self._own = threading.local()

    def add(self, tile: Tile) -> None:
        """Count the distances of a tile, positive ones included; NaN is left out."""
        if not hasattr(self._own, "counts"):
            self._own.counts = np.zeros(len(self._thresholds) + 1, np.int64)
            self._threads.append(self._own.counts)
        kernels.count_up_to(tile.distances, self._thresholds, self._first, self._low, self._scale, self._own.counts)

    @property
    def _counts(self) -> np.ndarray:
        return np.sum([np.zeros(len(self._thresholds) + 1, np.int64), *self._threads], axis=0)

    @property
    def positives(self) -> int:
        """Number of positive pairs."""
        return int(self._positives[-1])

    @property
    def negatives(self) -> int:
        """Number of negative pairs."""
        return int(self._counts.sum()) - self.positives

    def accepted(self, rates: np.ndarray) -> np.ndarray:
        """Largest share of positive pairs that are accepted with at most these shares of the negative ones.

        A pair is accepted up to a threshold, all that are as near with it; without negatives everything is.
        """
        negatives = np.cumsum(self._counts)[:-1] - self._positives
        place = np.searchsorted(negatives / max(self.negatives, 1), rates, side="right")
        return np.concatenate([[0], self._positives])[place] / self.positives

    def summary(self, points: int = 61) -> dict:
        """TPR at fixed FPR, and a curve of so many points, evenly spread over the exponents from 1e-6 to 1."""
        rates = np.logspace(-6, 0, points)
        return {
            "positive_pairs": self.positives,
            "negative_pairs": self.negatives,
            "tpr_at_fpr": dict(zip(map("{:g}".format, RATES), self.accepted(np.array(RATES)).tolist(), strict=True)),
            "roc": {"fpr": rates.tolist(), "tpr": self.accepted(rates).tolist()},
        }
