"""Average precision, CMC and mINP from the rank of each positive, which is counted rather than sorted.

A positive's rank is one more than the number of gallery images ahead of it: nearer, or exactly as near and earlier in
the gallery (the order of a stable sort). Distances that decide a rank are all measured by the same loop, so that copies
of an image are exactly as near and rank in the order of the gallery. Gallery images of the query's identity and camera
are ignored; distractors (identity 0) count. Each rank needs one comparison an image, and the gallery can come in tiles.
"""

from dataclasses import dataclass

import numpy as np

from artefacts.errors import UserError
from reid.evaluation import kernels
from reid.evaluation.nearest import Nearest
from reid.evaluation.tiles import Tile, as_it_is

BLOCK = 1024  # gallery images ranked at a time
CMC_RANKS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Protocol:
    """Who counts for whom: positives, and `ignored` pairs of the same identity and camera, sorted by query.

    Positives of query q are entries `offsets[q]` to `offsets[q + 1]` of `columns`, in gallery order; `rows` repeats q.
    """

    offsets: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    ignored_rows: np.ndarray
    ignored_columns: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """Number of positives [Q] of each query."""
        return np.diff(self.offsets)


def protocol(
    query_identity: np.ndarray, gallery_identity: np.ndarray, query_camera: np.ndarray, gallery_camera: np.ndarray
) -> Protocol:
    """The single-query protocol of Market-1501 (Section 4.1). Raises UserError where no query has a positive."""
    order = np.argsort(gallery_identity, kind="stable")
    sorted_identity = gallery_identity[order]
    starts = np.searchsorted(sorted_identity, query_identity, "left")
    counts = np.searchsorted(sorted_identity, query_identity, "right") - starts
    counts[query_identity <= 0] = 0  # distractors have no identity that could be the same
    rows = np.repeat(np.arange(len(query_identity)), counts)
    columns = order[np.arange(len(rows)) + np.repeat(starts - np.cumsum(counts) + counts, counts)]
    ignored = query_camera[rows] == gallery_camera[columns]
    if ignored.all():
        raise UserError(_nothing_to_find(query_identity, gallery_identity, len(rows)))
    positives = np.bincount(rows[~ignored], minlength=len(query_identity))
    offsets = np.concatenate([[0], np.cumsum(positives)])
    return Protocol(offsets, rows[~ignored], columns[~ignored], rows[ignored], columns[ignored])


def _nothing_to_find(query_identity: np.ndarray, gallery_identity: np.ndarray, same_camera: int) -> str:
    if not len(query_identity) or not len(gallery_identity):
        return "there is no query or no gallery image; see the manifest's split column"
    if same_camera:
        return (
            "every gallery image of a query's identity is of the query's own camera, which the protocol leaves out; "
            "see the manifest's camera column"
        )
    return (
        f"no query identity ({query_identity[0]}, …) is among the gallery's ({gallery_identity[0]}, …); "
        "see the manifest's identity column"
    )


class Ranking:
    """Takes distances tile by tile; `distances` [M] are the positives', measured beforehand.

    `nearest` has the first `keep` gallery images of each query.
    """

    def __init__(self, protocol: Protocol, distances: np.ndarray, keep: int = 0):
        self.protocol, self.distances = protocol, distances
        self._ignored = np.searchsorted(protocol.ignored_rows, np.arange(len(protocol.positives) + 1))
        self._ahead = np.zeros(len(distances), np.int64)
        self.nearest = Nearest(len(protocol.positives), keep)

    def add(self, tile: Tile) -> None:
        """Count in the distances of a tile: ignored pairs are masked with NaN, and what decides a rank is measured."""
        pairs, rows, distances = self.protocol, tile.rows, tile.distances
        offsets = pairs.offsets[rows.start : rows.stop + 1]
        own = _within(pairs.columns, offsets, tile)
        ignored = _within(pairs.ignored_columns, self._ignored[rows.start : rows.stop + 1], tile)
        cells = pairs.rows[own] - rows.start, pairs.columns[own] - tile.first
        distances[cells] = np.nan  # they are measured already
        distances[pairs.ignored_rows[ignored] - rows.start, pairs.ignored_columns[ignored] - tile.first] = np.nan
        decisive = kernels.undecided(distances, tile.slack, offsets, self.distances, self.nearest.distances[rows])
        distances[decisive] = tile.measured(*decisive)
        distances[cells] = self.distances[own]
        kernels.count_nearer(distances, tile.first, offsets, pairs.columns, self.distances, self._ahead)
        self.nearest.keep(tile)

    @property
    def ranks(self) -> np.ndarray:
        """Rank [M] of each positive, from 1; complete when the whole gallery has been added."""
        return self._ahead + 1


def _within(columns: np.ndarray, offsets: np.ndarray, tile: Tile) -> np.ndarray:
    """Which pairs, from the first of the `offsets` to the last, have their gallery image, in `columns`, in a tile."""
    inside = columns[offsets[0] : offsets[-1]]
    return offsets[0] + np.flatnonzero((inside >= tile.first) & (inside < tile.stop))


@dataclass(frozen=True)
class Measures:
    """What is measured of each query [Q]: average precision, first and last rank of a positive; NaN without one."""

    average_precision: np.ndarray
    first: np.ndarray
    inverse_penalty: np.ndarray  # positives / last rank, whose mean is mINP

    @property
    def measured(self) -> np.ndarray:
        """Which queries [Q] have a positive."""
        return ~np.isnan(self.average_precision)

    def of(self, chosen: np.ndarray) -> "Measures":
        """The measures of some queries alone, `chosen` by a mask [Q]."""
        return Measures(self.average_precision[chosen], self.first[chosen], self.inverse_penalty[chosen])

    def summary(self) -> dict[str, float]:
        """mAP, rank-k and mINP, 0..1, over the measured queries."""
        cmc = {f"rank-{rank}": float(np.mean(self.first[self.measured] <= rank)) for rank in CMC_RANKS}
        mean_precision = float(np.nanmean(self.average_precision))
        return {"mAP": mean_precision, **cmc, "mINP": float(np.nanmean(self.inverse_penalty))}

    def cmc(self, longest: int = 50) -> np.ndarray:
        """Share [longest] of measured queries with a positive among the first 1, 2, … images."""
        first = self.first[self.measured]
        return (first[:, None] <= np.arange(1, longest + 1)).mean(axis=0)


def precisions(offsets: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Precision [M] at the rank of each positive: i / r_i, if it is the i-th positive of its query to be found."""
    query = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((ranks, query))
    found = np.empty(len(ranks))
    found[order] = np.arange(len(ranks)) - offsets[query] + 1
    return found / ranks


def measures(offsets: np.ndarray, ranks: np.ndarray) -> Measures:
    """AP = 1/n sum_i i / r_i over the n positives of a query, r_i the i-th smallest of their `ranks`."""
    positives = np.diff(offsets)
    query = np.repeat(np.arange(len(positives)), positives)
    some = positives > 0
    values = np.full((3, len(positives)), np.nan)
    if some.any():
        starts = offsets[:-1][some]
        values[0, some] = np.bincount(query, precisions(offsets, ranks), len(positives))[some] / positives[some]
        values[1, some] = np.minimum.reduceat(ranks, starts)
        values[2, some] = positives[some] / np.maximum.reduceat(ranks, starts)
    return Measures(*values)


def ranked(distances: np.ndarray, pairs: Protocol, keep: int = 0) -> Ranking:
    """The ranking of a whole matrix of distances [Q, G], which is left as it is."""
    ranking = Ranking(pairs, distances[pairs.rows, pairs.columns], keep)
    for start in range(0, distances.shape[1], BLOCK):
        ranking.add(as_it_is(distances[:, start : start + BLOCK].copy(), start))
    return ranking
