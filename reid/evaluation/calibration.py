"""How near is near: distance thresholds at false match rates, and the probability that a distance is of one person.

Pairs are counted in fine cells of distance while they are streamed, so that memory depends on the cells alone. The
probability is an isotonic regression (Zadrozny and Elkan, KDD 2002) on pairs of the same and of different people, as if
both were equally frequent. Whether it holds for other people is measured too: fitted on half of the identities,
compared with what the other half shows.
"""

import threading
from typing import get_args

import numpy as np

from reid.checkpoints.pack_format import Rate
from reid.evaluation import kernels
from reid.evaluation.ranking import Protocol
from reid.evaluation.tiles import Tile

CELLS = 1 << 14
FALSE_MATCH_RATES = {rate: float(rate) for rate in get_args(Rate)}
EXPECTED = 10  # false matches that a threshold must let through among the pairs at hand, else it is a guess
KNOTS, BINS = 24, 10  # of the probability, before equal ones are merged; of the reliability curve
FITTED, HELD_OUT = 0, 1  # halves of the identities; pairs across them are the third line of counts


def halves(query_identity: np.ndarray, gallery_identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The half, 0 or 1, of each query [Q] and gallery image [G]: identities in turn, distractors image by image."""
    known = np.unique(np.concatenate([query_identity, gallery_identity]))
    known = known[known > 0]

    def half(identity: np.ndarray) -> np.ndarray:
        turn = np.where(identity > 0, np.searchsorted(known, identity), np.arange(len(identity)))
        return (turn % 2).astype(np.uint8)

    return half(query_identity), half(gallery_identity)


class PairCounts:
    """Takes the tiles of distances that a `Ranking` has taken; `distances` [M] are the positives'.

    Cells reach from 0 to the farthest positive; one more is for what is farther. Positive pairs [3, CELLS + 1] and
    negative ones are counted within each half of the identities and across them.
    """

    def __init__(
        self, pairs: Protocol, distances: np.ndarray, query_identity: np.ndarray, gallery_identity: np.ndarray
    ):
        finite = distances[np.isfinite(distances)]
        self._top = np.float32(finite.max()) if len(finite) else np.float32(0)
        self._scale = CELLS / float(self._top) if self._top > 0 else 0.0
        self._rows, self._columns = halves(query_identity, gallery_identity)
        self.positives, self._all = (np.zeros((3, CELLS + 1), np.int64) for _ in range(2))
        single = distances.astype(np.float32)[:, None]
        for own, other in ((0, 0), (0, 1), (1, 0), (1, 1)):
            chosen = (self._rows[pairs.rows] == own) & (self._columns[pairs.columns] == other)
            self._count(single[chosen], np.full(chosen.sum(), own, np.uint8), np.uint8([other]), self.positives)
        self._lock = threading.Lock()

    def add(self, tile: Tile) -> None:
        """Count the distances of a tile, positive ones included; NaN is left out."""
        counts = np.zeros_like(self._all)
        self._count(tile.distances, self._rows[tile.rows], self._columns[tile.first : tile.stop], counts)
        with self._lock:
            self._all += counts

    @property
    def negatives(self) -> np.ndarray:
        """Counts [3, CELLS + 1] of negative pairs."""
        return self._all - self.positives

    @property
    def centres(self) -> np.ndarray:
        """Distance [CELLS + 1] in the middle of each cell; that of the farthest positive for what is farther."""
        middle = np.append(np.arange(CELLS) + 0.5, CELLS)
        return middle * (float(self._top) / CELLS)

    def thresholds(self) -> dict[str, float | None]:
        """The largest distance that accepts at most this share of the negative pairs, by FALSE_MATCH_RATES.

        None where too few pairs are at hand to tell, or where more negative pairs are as near as can be told apart.
        """
        negatives = self.negatives.sum(axis=0)
        total, accepted = negatives.sum(), np.cumsum(negatives[:-1])
        found: dict[str, float | None] = {}
        for name, rate in FALSE_MATCH_RATES.items():
            cells = int(np.searchsorted(accepted, rate * total, side="right"))
            enough = total * rate >= EXPECTED and cells > 0
            edge = np.float32(cells * (float(self._top) / CELLS))
            found[name] = float(np.nextafter(edge, np.float32(0))) if enough else None
        return found

    def calibration(self) -> dict | None:
        """`thresholds`, and `distances` and `probabilities` of the knots, of all pairs; None without negatives."""
        knots = probability(self.positives.sum(axis=0), self.negatives.sum(axis=0), self.centres)
        if knots is None:
            return None
        return {"thresholds": self.thresholds(), "distances": knots[0].tolist(), "probabilities": knots[1].tolist()}

    def reliability(self) -> dict | None:
        """Probabilities fitted on one half of the identities against what the other half shows; None without pairs."""
        knots = probability(self.positives[FITTED], self.negatives[FITTED], self.centres)
        positives, negatives = self.positives[HELD_OUT], self.negatives[HELD_OUT]
        if knots is None or not positives.sum() or not negatives.sum():
            return None
        return observed(np.interp(self.centres, *knots), positives, negatives)

    def _count(self, distances: np.ndarray, rows: np.ndarray, columns: np.ndarray, counts: np.ndarray) -> None:
        kernels.count_cells(distances, rows, columns, self._top, self._scale, counts)


def probability(
    positives: np.ndarray, negatives: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Knots of the probability of the same person: rising distances, falling probabilities [k]; None without pairs.

    `positives` and `negatives` [C] are counted at distances `centres` [C]. Each kind weighs 1 in all, and is split in
    KNOTS bins of equal weight. Half a pair is added to each bin, so that no distance is certain.
    """
    from scipy.optimize import isotonic_regression  # a tenth of a second

    if not positives.sum() or not negatives.sum():
        return None
    mass = positives / positives.sum() + negatives / negatives.sum()
    bins = np.minimum(((np.cumsum(mass) - mass / 2) / mass.sum() * KNOTS).astype(int), KNOTS - 1)
    weight, same, other, middle = (
        np.bincount(bins, values, KNOTS) for values in (mass, positives, negatives, mass * centres)
    )
    some = weight > 0
    likely, unlikely = (
        (kind[some] + 0.5) / (kind.sum() + 0.5 * some.sum()) for kind in (same.astype(float), other.astype(float))
    )
    falling = isotonic_regression(likely / (likely + unlikely), weights=weight[some], increasing=False).x
    distances = middle[some] / weight[some]
    inside = (np.diff(falling, prepend=2) == 0) & (np.diff(falling, append=-1) == 0)  # of a stretch that does not fall
    return distances[~inside], np.clip(falling[~inside], 0, 1)


def observed(predicted: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> dict:
    """A reliability curve: mean predicted and observed probability by BINS of the predicted one, and `error`.

    The error is their mean difference, weighted by pairs of which both kinds weigh the same in all (expected
    calibration error). `predicted` [C] belongs to the pairs that are counted.
    """
    same, other = positives / positives.sum(), negatives / negatives.sum()
    mass = same + other
    bins = np.minimum((predicted * BINS).astype(int), BINS - 1)
    weight, pairs, shown, told = (
        np.bincount(bins, values, BINS) for values in (mass, positives + negatives, same, mass * predicted)
    )
    curve = [
        {"predicted": told[one] / weight[one], "observed": shown[one] / weight[one], "pairs": int(pairs[one])}
        for one in np.flatnonzero(weight)
    ]
    return {"curve": curve, "error": float(np.abs(told - shown).sum() / weight.sum())}
