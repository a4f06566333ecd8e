"""CMC in galleries of a single image an identity, drawn again and again: the protocol of CUHK03."""

import numpy as np

from reid.config.report import SingleShot
from reid.evaluation import kernels
from reid.evaluation.ranking import Protocol
from reid.evaluation.tiles import Tile


def drawn(identity: np.ndarray, repetitions: int, rng: np.random.Generator) -> np.ndarray:
    """Images [R, I] of R galleries: one of each of I identities. Distractors (0) are of an identity each."""
    known = np.flatnonzero(identity > 0)
    order = known[np.argsort(identity[known], kind="stable")]
    starts = np.flatnonzero(np.diff(identity[order], prepend=0))
    sizes = np.diff(starts, append=len(order))
    chosen = order[starts + rng.integers(0, sizes, (repetitions, len(sizes)))]
    distractors = np.flatnonzero(identity <= 0)
    return np.concatenate([chosen, np.broadcast_to(distractors, (repetitions, len(distractors)))], axis=1)


class SingleShotRanking:
    """Takes the tiles of distances that a `Ranking` has taken; `distances` [M] are the positives'.

    A query searches in each gallery for one of its positives, drawn for it; the gallery's own image of that identity
    stands back, since it may be of the query's camera.
    """

    def __init__(
        self,
        pairs: Protocol,
        distances: np.ndarray,
        query_identity: np.ndarray,
        gallery_identity: np.ndarray,
        settings: SingleShot,
    ):
        rng = np.random.default_rng(settings.seed)
        galleries = drawn(gallery_identity, settings.repetitions, rng)
        by_image = np.argsort(galleries, axis=None, kind="stable")
        self._starts = np.searchsorted(galleries.ravel()[by_image], np.arange(len(gallery_identity) + 1))
        self._galleries = by_image // galleries.shape[1]
        self._query_identity, self._gallery_identity = query_identity, gallery_identity
        self.measured = pairs.positives > 0
        choice = rng.integers(0, np.maximum(pairs.positives, 1)[:, None], (len(query_identity), settings.repetitions))
        place = np.minimum(pairs.offsets[:-1, None] + choice, len(distances) - 1)
        self._columns, self._thresholds = pairs.columns[place], distances[place]
        self._ahead = np.zeros(place.shape, np.int64)

    def add(self, tile: Tile) -> None:
        """Count in the distances of a tile."""
        rows = tile.rows
        kernels.count_drawn(
            tile.distances, tile.first, self._starts, self._galleries, self._query_identity[rows],
            self._gallery_identity, self._columns[rows], self._thresholds[rows], self._ahead[rows],
        )  # fmt: skip

    @property
    def ranks(self) -> np.ndarray:
        """Rank [Q', R], from 1, of the positive of each query that has any; complete with the whole gallery."""
        return self._ahead[self.measured] + 1

    def cmc(self, longest: int = 50) -> np.ndarray:
        """Share [longest] of queries whose positive is among the first 1, 2, … images, mean over the galleries."""
        counts = np.bincount(np.minimum(self.ranks, longest + 1).ravel(), minlength=longest + 2)[1:-1]
        return np.cumsum(counts) / self.ranks.size
