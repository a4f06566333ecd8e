"""Visibility-based part-to-part distance (Eq. 9, Section 3.4): written as it reads, and streamed over a large gallery.

The streamed form multiplies visible rows by visible columns only, reads the gallery block by block, and takes roots
and adds them up in one compiled pass, so that its memory depends on the queries and the block alone.
"""

from collections.abc import Iterator

import numpy as np

from reid.embeddings.store import CHUNK
from reid.evaluation import kernels
from reid.evaluation.matching import Compared, Side

BLOCK_CELLS = 2_000_000  # distances held at a time: 8 MB
TILE = 512  # queries of one matrix product, so that it stays in the processor's cache


def part_to_part_distance(
    query: np.ndarray, gallery: np.ndarray, query_visible: np.ndarray, gallery_visible: np.ndarray
) -> np.ndarray:
    """dist_total [Q, G] of Eq. 9: Euclidean distance averaged over the mutually visible embeddings.

    `query` [Q, P, D] and `gallery` [G, P, D] are features, `query_visible` [Q, P] and `gallery_visible` [G, P] their
    visibility scores. Infinite where nothing is visible in both images.
    """
    total = np.zeros((len(query), len(gallery)))
    common = np.zeros((len(query), len(gallery)))
    for part in range(query.shape[1]):
        both = query_visible[:, None, part] & gallery_visible[None, :, part]
        total += both * np.linalg.norm(query[:, None, part] - gallery[None, :, part], axis=-1)
        common += both
    return _averaged(total, common)


def _averaged(total: np.ndarray, common: np.ndarray) -> np.ndarray:
    return np.divide(total, common, out=np.full_like(total, np.inf), where=common > 0)


def largest_plus_one(distances: np.ndarray, largest: float) -> np.ndarray:
    """`distances` with `largest`, the largest finite one of the whole search, plus one where they are infinite.

    Departs from the paper: the authors' released code, in place of Section 3.4's infinity. Ranks stay as they are,
    since images with nothing in common come last either way.
    """
    return np.where(np.isinf(distances), np.float32(largest + 1), distances)


class PartDistances:
    """Eq. 9 between the images of one side (all, or those of the numbers `chosen`) and any block of the other.

    The rows are held in memory, the columns are read when asked for. Raises UserError where a visible feature is not
    finite.
    """

    def __init__(self, rows: Compared, columns: Compared, chosen: np.ndarray | None = None):
        chosen = np.arange(len(rows.split)) if chosen is None else chosen
        self.queries, self._columns = len(chosen), columns
        self._rows = list(rows.sides(chosen))
        self._rows_visible = rows.visible[chosen]
        images = len(columns.split)
        self._width = min(images, max(CHUNK, BLOCK_CELLS // self.queries // CHUNK * CHUNK))
        self._total = np.empty(self.queries * self._width, np.float32)
        self._products = np.empty(min(self.queries, TILE) * self._width, np.float32)

    def blocks(self) -> list[tuple[int, int]]:
        """Start and stop of the blocks of columns, in order."""
        size = len(self._columns.split)
        return [(start, min(start + self._width, size)) for start in range(0, size, self._width)]

    def block(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """Distances [Q, stop - start], valid until the next call, and how many of them are infinite."""
        total = self._total[: self.queries * (stop - start)].reshape(self.queries, -1)
        total[:] = 0
        for row, column in self._compared(start, stop):
            for tile in _tiles(len(row.images)):
                products = self._product(row.features[tile], column.features)
                kernels.add_distances(
                    products, row.images[tile], column.images, row.squares[tile], column.squares, total
                )
        seen = np.ascontiguousarray(self._columns.visible[start:stop].T, np.uint8)
        return total, kernels.average(total, self._rows_visible, seen)

    def _product(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Scalar products [n, m] of `rows` [n, D] and `columns` [m, D], valid until the next call."""
        shape = (len(rows), len(columns))
        return np.matmul(rows, columns.T, out=self._products[: shape[0] * shape[1]].reshape(shape))

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distances [M] of the pairs of row `rows[i]` with column `columns[i]`."""
        distances = np.empty(len(rows), np.float32)
        for start, stop in self.blocks():
            inside = np.flatnonzero((columns >= start) & (columns < stop))
            if len(inside):
                distances[inside] = self._pairs_in_block(rows[inside], columns[inside] - start, start, stop)
        return distances

    def _pairs_in_block(self, rows: np.ndarray, columns: np.ndarray, start: int, stop: int) -> np.ndarray:
        total = np.zeros(len(rows), np.float32)
        for row, column in self._compared(start, stop):
            first = _places(row.images, self.queries)[rows]
            second = _places(column.images, stop - start)[columns]
            kernels.add_pair_distances(row.features, column.features, row.squares, column.squares, first, second, total)
        common = (self._rows_visible[rows] & self._columns.visible[start:stop][columns]).sum(1, dtype=np.float32)
        return _averaged(total, common)

    def _compared(self, start: int, stop: int) -> Iterator[tuple[Side, Side]]:
        """Both sides of each compared embedding, the columns' read for this block."""
        return zip(self._rows, self._columns.sides(np.arange(start, stop)), strict=True)


def _tiles(count: int) -> list[slice]:
    return [slice(start, start + TILE) for start in range(0, count, TILE)]


def _places(images: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` images its place in `images`, or -1."""
    places = np.full(count, -1)
    places[images] = np.arange(len(images))
    return places
