"""k-reciprocal re-ranking [44] of the part-to-part distances, block by block.

Distances of all images, query and gallery, to each other are computed a tile of rows at a time and never kept: each
image leaves its nearest, its farthest distance, and with them a sparse encoding of its reciprocal neighbours. So the
time grows with the square of all images, and the memory with their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from artefacts.progress import bar
from reid.config.report import Rerank
from reid.embeddings.store import Joined
from reid.evaluation import kernels, reciprocal
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import Compared
from reid.evaluation.reciprocal import Sparse

ROWS = 2048  # images whose features are in memory beside a block


@dataclass(frozen=True)
class _Neighbours:
    """Of N images the nearest [N, k], themselves among them, and the squares [N] of the distances to the farthest.

    `beyond` is the distance of two images that have nothing in common: one more than the largest.
    """

    nearest: np.ndarray
    squares: np.ndarray
    beyond: np.float32


class Reranked:
    """Distances of query images (all, or those of the numbers `chosen`) to any block of the gallery, re-ranked.

    Where nothing is in common, the original distance is one beyond the largest, since encodings need a finite one.
    """

    def __init__(self, query: Compared, gallery: Compared, settings: Rerank, chosen: np.ndarray | None = None):
        self._original = PartDistances(query, gallery, chosen)
        self._rows = np.arange(len(query.split)) if chosen is None else chosen
        self._weight, self._first = np.float32(settings.original_weight), len(query.split)
        both = Compared(
            Joined(query.split, gallery.split),
            query.columns,
            np.concatenate([query.visible, gallery.visible]),
            query.unit_length,
        )
        self._neighbours = _neighbours(both, max(settings.k1 + 1, settings.k2))
        self._encoding = _encoding(both, self._neighbours, settings)
        self.queries = self._original.queries

    def blocks(self) -> list[tuple[int, int]]:
        """Start and stop of the gallery blocks, in order."""
        return self._original.blocks()

    def block(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """Distances [Q, stop - start], valid until the next call, and how many of the original are infinite."""
        distances, apart = self._original.block(start, stop)
        overlap = np.zeros_like(distances)
        images = self._encoding.by_column(self._first + start, self._first + stop)
        reciprocal.add_overlap(self._encoding, self._rows, images, overlap)
        self._mix(distances, self._rows, overlap)
        return distances, apart

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distances [M] of the pairs of query `rows[i]` with gallery image `columns[i]`."""
        distances = self._original.pairs(rows, columns)
        images = self._rows[rows]
        overlap = reciprocal.overlaps(self._encoding, images, self._first + columns)
        self._mix(distances[:, None], images, overlap[:, None])
        return distances

    def _mix(self, distances: np.ndarray, images: np.ndarray, overlap: np.ndarray) -> None:
        """Turn distances [Q, B] into lambda d^2 / largest d^2 + (1 - lambda) Jaccard, in place."""
        distances[np.isinf(distances)] = self._neighbours.beyond
        distances *= distances
        distances *= (self._weight / self._neighbours.squares[images])[:, None]
        distances += (1 - self._weight) * (1 - overlap / (2 - overlap))


def _tiles(both: Compared, title: str) -> Iterator[tuple[np.ndarray, PartDistances]]:
    """Numbers of the images of a tile of rows, and the distances of these to all."""
    images = len(both.split)
    with bar(images, title, "image") as progress:
        for start in range(0, images, ROWS):
            rows = np.arange(start, min(start + ROWS, images))
            yield rows, PartDistances(both, both, rows)
            progress.update(len(rows))


def _neighbours(both: Compared, keep: int) -> _Neighbours:
    images = len(both.split)
    nearest, distances = np.full((images, keep), -1), np.full((images, keep), np.nan, np.float32)
    farthest, apart = np.zeros(images, np.float32), np.zeros(images, bool)
    for rows, tile in _tiles(both, "finding neighbours"):
        for start, stop in tile.blocks():
            block, _ = tile.block(start, stop)
            own = rows[(rows >= start) & (rows < stop)]
            block[own - rows[0], own - start] = 0  # also of an image that shows nothing
            farthest[rows] = np.maximum(farthest[rows], kernels.largest_finite(block))
            apart[rows] |= np.isinf(block).any(axis=1)
            kernels.keep_nearest(block, start, nearest[rows[0] : rows[-1] + 1], distances[rows[0] : rows[-1] + 1])
    beyond = farthest.max() + np.float32(1)
    farthest[apart] = beyond
    return _Neighbours(nearest, np.where(farthest > 0, farthest, 1) ** 2, beyond)


def _encoding(both: Compared, known: _Neighbours, settings: Rerank) -> Sparse:
    """V of [44], sparse: exp(-d) of the expanded reciprocal neighbours, of sum one, averaged over the `k2` nearest."""
    half = round(settings.k1 / 2) + 1
    starts, columns = reciprocal.expanded_neighbours(known.nearest, settings.k1 + 1, half)
    values = np.empty(len(columns), np.float32)
    for rows, tile in _tiles(both, "encoding neighbours"):
        inside = slice(starts[rows[0]], starts[rows[-1] + 1])
        row = np.repeat(rows, np.diff(starts)[rows])
        distances = tile.pairs(row - rows[0], columns[inside])
        distances[np.isinf(distances)] = known.beyond
        distances[row == columns[inside]] = 0
        weights = np.exp(-(distances**2) / known.squares[row])
        values[inside] = weights / np.bincount(row - rows[0], weights)[row - rows[0]]
    return reciprocal.averaged(Sparse(starts, columns, values), known.nearest, settings.k2)
