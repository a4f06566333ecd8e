"""Visibility-based part-to-part distance (Eq. 9, Section 3.4): written as it reads, and streamed over a large gallery.

The streamed form multiplies visible rows by visible columns only, reads the gallery block by block, and takes roots
and adds them up in one compiled pass, so that its memory depends on the queries and the block alone. Matrix products
round a pair by where it stands in them, so that copies of an image may differ in the last bits: each tile says by how
much at most, and one loop measures those distances again that decide a rank.
"""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from artefacts.progress import bar
from reid.embeddings.store import CHUNK
from reid.evaluation import kernels
from reid.evaluation.matching import Compared
from reid.evaluation.products import Sides, products
from reid.evaluation.tiles import HERE, Compute, Tile, stream

HEIGHT, WIDTH = 2048, 2 * CHUNK  # of a tile at most: queries, gallery images; BLAS is slower in smaller products


def part_to_part_distance(
    query: np.ndarray, gallery: np.ndarray, query_visible: np.ndarray, gallery_visible: np.ndarray
) -> np.ndarray:
    """dist_total [Q, G] of Eq. 9, as it reads: Euclidean distance averaged over the mutually visible embeddings.

    `query` [Q, P, D] and `gallery` [G, P, D] are features, `query_visible` [Q, P] and `gallery_visible` [G, P] their
    visibility scores, 0 or 1, or anything between. Infinite where nothing is visible in both images. The oracle of
    `PartDistances`, called by tests alone: it takes the memory of all pairs.
    """
    total = np.zeros((len(query), len(gallery)))
    common = np.zeros((len(query), len(gallery)))
    for part in range(query.shape[1]):
        both = 1.0 * query_visible[:, None, part] * gallery_visible[None, :, part]
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
    """Eq. 9 between the images of one side (all, or those of the numbers `chosen`) and the other.

    The rows are held in memory, the columns are read when asked for. Raises UserError where a visible feature is not
    finite.
    """

    def __init__(self, rows: Compared, columns: Compared, chosen: np.ndarray | None = None, compute: Compute = HERE):
        chosen = np.arange(len(rows.split)) if chosen is None else chosen
        self.queries, self.images = len(chosen), len(columns.split)
        self._columns, self._threads = columns, compute.threads
        self._rows: Sides = list(rows.sides(chosen))
        self.tiles = _tiles(len(chosen))
        self._locks = [threading.Lock() for _ in self.tiles]
        self._tiles = [[side.between(tile.start, tile.stop) for side in self._rows] for tile in self.tiles]
        weights = rows.weights[chosen]
        self._products = products(compute.device)(self._tiles, [weights[tile] for tile in self.tiles])

    def stream(self, receive: Callable[[Tile], None], title: str | None) -> None:
        """Give all distances to `receive`, tile by tile, in any order.

        It is called on several threads, but never for the same queries at the same time.
        """

        def work(number: int, block: tuple) -> None:
            start, columns, ready = block
            distances, slack, apart, largest = self._products.tile(number, ready)
            measure = partial(measured, self._tiles[number], columns)
            with self._locks[number]:
                receive(Tile(self.tiles[number], start, distances, slack, measure, apart, largest))

        def blocks() -> Iterator[tuple]:
            with bar(self.images, title, "image", silent=title is None) as progress:
                for start, columns in map(self._block, range(0, self.images, WIDTH)):
                    weights = self._columns.weights[start : start + WIDTH]
                    yield start, columns, self._products.ready(columns, weights)
                    progress.update(len(weights))

        stream(blocks(), len(self.tiles), work, self._threads)

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distances [M] of the pairs of row `rows[i]` with column `columns[i]`."""
        distances = np.empty(len(rows), np.float32)
        order = np.argsort(columns, kind="stable")

        def work(number: int, block: tuple[int, Sides]) -> None:
            start, sides = block
            first, last = np.searchsorted(columns, [start, start + WIDTH], sorter=order)
            inside = np.sort(order[first:last])  # by query, whose features stay in the cache
            chosen = np.array_split(inside, self._threads)[number]
            distances[chosen] = measured(self._rows, sides, rows[chosen], columns[chosen] - start)

        starts = np.unique(columns // WIDTH) * WIDTH
        stream(map(self._block, starts.tolist()), self._threads, work, self._threads)
        return distances

    def matrix(self) -> np.ndarray:
        """All distances [Q, G]."""
        whole = np.empty((self.queries, self.images), np.float32)

        def keep(tile: Tile) -> None:
            whole[tile.rows, tile.first : tile.stop] = tile.distances

        self.stream(keep, None)
        return whole

    def _block(self, start: int) -> tuple[int, Sides]:
        """The first image of a block of columns, and each compared embedding of its images."""
        return start, list(self._columns.sides(np.arange(start, min(start + WIDTH, self.images))))


def _tiles(queries: int) -> list[slice]:
    """The queries of each tile, as evenly as can be."""
    borders = np.linspace(0, queries, -(-queries // HEIGHT) + 1).astype(int)
    return [slice(start, stop) for start, stop in pairwise(borders.tolist())]


def measured(rows: Sides, columns: Sides, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Distances [n] between images `i` of the rows and `j` of the columns, each pair for itself (Eq. 9)."""
    total, common = np.zeros(len(i), np.float32), np.zeros(len(i), np.float32)
    for row, column in zip(rows, columns, strict=True):
        kernels.add_measured(row, column, i, j, total, common)
    return _averaged(total, common)
