"""k-reciprocal re-ranking [44] of the part-to-part distances, tile by tile.

Distances of all images, query and gallery, to each other are computed a few rows at a time and never kept: each image
leaves its nearest, its farthest distance, and with them a sparse encoding of its reciprocal neighbours. So the time
grows with the square of all images, and the memory with their number.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numba import njit
from scipy.sparse import csc_array, csr_array, vstack

from artefacts.progress import bar
from reid.config.report import Rerank
from reid.embeddings.store import Joined
from reid.evaluation import kernels
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import Compared
from reid.evaluation.nearest import Nearest
from reid.evaluation.tiles import HERE, Compute, Tile

ROWS = 2048  # images whose features are in memory next to a block
STEP = 1024  # images whose neighbours are expanded, or averaged, at a time


@dataclass(frozen=True)
class _Neighbours:
    """Of N images the nearest [N, k], themselves among them, and the squares [N] of the distances to the farthest.

    `beyond` is the distance of two images that have nothing in common: one more than the largest.
    """

    nearest: np.ndarray
    squares: np.ndarray
    beyond: np.float32


class Reranked:
    """Distances of query images (all, or those of the numbers `chosen`) to the gallery, re-ranked.

    Where nothing is in common, the original distance is one beyond the largest, since encodings need a finite one.
    """

    def __init__(
        self,
        query: Compared,
        gallery: Compared,
        settings: Rerank,
        chosen: np.ndarray | None = None,
        compute: Compute = HERE,
    ):
        self._original = PartDistances(query, gallery, chosen, compute)
        self._weight, queries = np.float32(settings.original_weight), len(query.split)
        both = Compared(
            Joined(query.split, gallery.split),
            query.columns,
            np.concatenate([query.weights, gallery.weights]),
            query.unit_length,
        )
        known = _neighbours(both, max(settings.k1 + 1, settings.k2), compute)
        encoding = _encoding(both, known, settings, compute)
        rows = np.arange(queries) if chosen is None else chosen
        self._squares, self._beyond = known.squares[rows], known.beyond
        self._queries, self._gallery = encoding[rows], encoding[queries:]
        self._by_column = csc_array(self._gallery)

    def stream(self, receive: Callable[[Tile], None], title: str | None) -> None:
        """Give all distances to `receive`, as `PartDistances.stream` does; counts are those of the original ones."""
        self._original.stream(lambda tile: receive(self._mixed(tile)), title)

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distances [M] of the pairs of query `rows[i]` with gallery image `columns[i]`."""
        return self._mix(
            self._original.pairs(rows, columns), rows, _overlaps(self._queries, self._gallery, rows, columns)
        )

    def _mixed(self, tile: Tile) -> Tile:
        rows = np.arange(tile.rows.start, tile.rows.stop)
        overlap = np.zeros_like(tile.distances)
        _add_overlap(*_arrays(self._queries), *_arrays(self._by_column), tile.rows.start, tile.first, overlap)
        largest = np.sqrt(self._squares[rows])
        slack = self._weight * (2 * largest + tile.slack) * tile.slack / self._squares[rows] + kernels.ROUNDING
        return replace(
            tile,
            distances=self._mix(tile.distances, rows[:, None], overlap),
            slack=slack.astype(np.float32),
            measured=partial(self._measured, tile),
        )

    def _measured(self, tile: Tile, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        rows = tile.rows.start + i
        return self._mix(tile.measured(i, j), rows, _overlaps(self._queries, self._gallery, rows, tile.first + j))

    def _mix(self, distances: np.ndarray, rows: np.ndarray, overlap: np.ndarray) -> np.ndarray:
        """lambda d^2 / largest d^2 + (1 - lambda) Jaccard, of distances of the queries `rows`; they are overwritten."""
        distances[np.isinf(distances)] = self._beyond
        distances *= distances
        distances *= self._weight / self._squares[rows]
        distances += (1 - self._weight) * (1 - overlap / (2 - overlap))
        return distances


def _groups(both: Compared, title: str, compute: Compute) -> Iterator[tuple[np.ndarray, PartDistances]]:
    """Numbers of a few images, and the distances of these to all."""
    images = len(both.split)
    with bar(images, title, "image") as progress:
        for start in range(0, images, ROWS):
            rows = np.arange(start, min(start + ROWS, images))
            yield rows, PartDistances(both, both, rows, compute)
            progress.update(len(rows))


def _neighbours(both: Compared, keep: int, compute: Compute) -> _Neighbours:
    images = len(both.split)
    nearest, farthest, apart = Nearest(images, keep), np.zeros(images, np.float32), np.zeros(images, bool)

    def receive(first: int, tile: Tile) -> None:
        tile = _itself_nearest(replace(tile, rows=slice(first + tile.rows.start, first + tile.rows.stop)))
        farthest[tile.rows] = np.maximum(farthest[tile.rows], kernels.largest_finite(tile.distances))
        apart[tile.rows] |= np.isinf(tile.distances).any(axis=1)
        nearest.add(tile)

    for rows, group in _groups(both, "finding neighbours", compute):
        group.stream(partial(receive, rows[0]), None)
    beyond = farthest.max() + np.float32(1)
    farthest[apart] = beyond
    return _Neighbours(nearest.images, np.where(farthest > 0, farthest, 1) ** 2, beyond)


def _itself_nearest(tile: Tile) -> Tile:
    """A tile between the same images, with each at distance zero from itself, also one that shows nothing."""
    own = np.arange(max(tile.rows.start, tile.first), min(tile.rows.stop, tile.stop))
    tile.distances[own - tile.rows.start, own - tile.first] = 0

    def measured(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return np.where(tile.rows.start + i == tile.first + j, np.float32(0), tile.measured(i, j))

    return replace(tile, measured=measured)


def _encoding(both: Compared, known: _Neighbours, settings: Rerank, compute: Compute) -> csr_array:
    """V of [44]: exp(-d) of the expanded reciprocal neighbours, of sum one, averaged over the `k2` nearest."""
    members = expanded_neighbours(known.nearest, settings.k1 + 1, round(settings.k1 / 2) + 1)
    starts, columns = members.indptr, members.indices
    values = np.empty(len(columns), np.float32)
    for rows, group in _groups(both, "encoding neighbours", compute):
        inside = slice(starts[rows[0]], starts[rows[-1] + 1])
        row = np.repeat(rows, np.diff(starts)[rows])
        distances = group.pairs(row - rows[0], columns[inside])
        distances[np.isinf(distances)] = known.beyond
        distances[row == columns[inside]] = 0
        weights = np.exp(-(distances**2) / known.squares[row])
        values[inside] = weights / np.bincount(row - rows[0], weights)[row - rows[0]]
    return averaged(csr_array((values, columns, starts), members.shape), known.nearest, settings.k2)


def expanded_neighbours(nearest: np.ndarray, k: int, half: int) -> csr_array:
    """R*(i, k) of [44] for every image i: row i [N] of a sparse matrix has its members' columns, rising.

    `nearest` [N, at least k] are each image's nearest, itself among them, -1 where there are no more. The reciprocal
    neighbours of a reciprocal neighbour, `half` nearest, join if more than two thirds of them are in already.
    """
    own, theirs = _reciprocal(nearest[:, :k]), _reciprocal(nearest[:, :half])
    sizes, by_member, found = np.diff(theirs.indptr), csr_array(theirs.T), []
    for start in range(0, len(nearest), STEP):
        few = own[start : start + STEP]
        joins = csr_array(few.multiply(few @ by_member))  # of a neighbour's, how many are in already
        joins.data = (3 * joins.data > 2 * sizes[joins.indices]).astype(np.int32)
        joins.eliminate_zeros()
        found.append(few + joins @ theirs)
    members = vstack(found, format="csr")
    members.sort_indices()
    return members


def _reciprocal(nearest: np.ndarray) -> csr_array:
    """One in row i and column j of a sparse matrix [N, N] where both are among each other's `nearest` [N, k]."""
    among = _matrix(nearest, np.ones(len(nearest), np.int32))
    return csr_array(among.multiply(among.T))


def averaged(encoding: csr_array, nearest: np.ndarray, k: int) -> csr_array:
    """Each row replaced by the mean over its `k` nearest images; -1 in `nearest` [N, at least k] is none."""
    near = nearest[:, :k]
    shares = _matrix(near, 1 / (near >= 0).sum(axis=1))
    means = [(shares[start : start + STEP] @ encoding).astype(np.float32) for start in range(0, len(near), STEP)]
    whole = vstack(means, format="csr")
    whole.sort_indices()
    return whole


def _matrix(nearest: np.ndarray, values: np.ndarray) -> csr_array:
    """`values[i]` in row i and column j of a sparse matrix [N, N] where j is in row i of `nearest` [N, k]."""
    rows, _ = places = np.nonzero(nearest >= 0)
    return csr_array((values[rows], (rows, nearest[places])), (len(nearest), len(nearest)))


def _arrays(matrix: csr_array | csc_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return matrix.indptr, matrix.indices, matrix.data


@njit(cache=True, nogil=True)
def _add_overlap(starts, columns, values, column_starts, images, image_values, first_row, first, overlap):
    """Add to `overlap` [R, B] the smaller of two encodings, over the columns that both have.

    They are of the queries from `first_row` on, by rows, and of the gallery images from `first` on, by columns.
    """
    for row in range(len(overlap)):
        line = overlap[row]
        for place in range(starts[first_row + row], starts[first_row + row + 1]):
            column, value = columns[place], values[place]
            own = images[column_starts[column] : column_starts[column + 1]]
            others = image_values[column_starts[column] : column_starts[column + 1]]
            for other in range(np.searchsorted(own, first), np.searchsorted(own, first + len(line))):
                line[own[other] - first] += min(value, others[other])


def _overlaps(queries: csr_array, gallery: csr_array, rows: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The same [M] of the pairs of query `rows[i]` and gallery image `images[i]`."""
    return _sum_overlaps(*_arrays(queries), *_arrays(gallery), rows, images)


@njit(cache=True, nogil=True)
def _sum_overlaps(starts, columns, values, other_starts, other_columns, other_values, rows, images):
    total = np.zeros(len(rows), np.float32)
    for pair in range(len(rows)):
        one, other = starts[rows[pair]], other_starts[images[pair]]
        while one < starts[rows[pair] + 1] and other < other_starts[images[pair] + 1]:
            if columns[one] == other_columns[other]:
                total[pair] += min(values[one], other_values[other])
            step = columns[one] - other_columns[other]
            one += step <= 0
            other += step >= 0
    return total
