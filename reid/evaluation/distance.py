"""Visibility-based part-to-part distance (Eq. 9, Section 3.4): written as it reads, and streamed over a large gallery.

The streamed form multiplies visible rows by visible columns only, reads the gallery block by block, and takes roots
and adds them up in one compiled pass, so that its memory depends on the queries and the block alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from artefacts.errors import UserError
from reid.evaluation import kernels
from reid.evaluation.store import CHUNK, Embeddings, StoredSplit

BLOCK_CELLS = 4_000_000  # distances held at a time: 16 MB
TILE = 1024  # queries of one matrix product, so that it stays in the processor's cache


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


def normalised(features: np.ndarray) -> np.ndarray:
    """Features [N, D] scaled to unit length; zero stays zero."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class _Side:
    """One embedding of those images of one side that show it: `images` [n], features [n, D], squared norms [n]."""

    images: np.ndarray
    features: np.ndarray
    squares: np.ndarray


class PartDistances:
    """Eq. 9 between query images (all, or those of the numbers `chosen`) and any block of the gallery.

    `columns` are the compared embeddings (`matching.compared_columns`); `query_visible` [Q, P] and `gallery_visible`
    [G, P] tell which of them count. Raises UserError where a visible feature is not finite.
    """

    def __init__(
        self,
        file: Embeddings,
        columns: dict[str, list[int]],
        query_visible: np.ndarray,
        gallery_visible: np.ndarray,
        normalise: bool = False,
        chosen: np.ndarray | None = None,
    ):
        chosen = np.arange(len(file.query)) if chosen is None else chosen
        self._gallery, self._columns, self._normalise = file.gallery, columns, normalise
        self._query_visible, self._gallery_visible = query_visible[chosen], gallery_visible
        self._query = list(self._sides(file.query, self._query_visible, chosen))
        self.queries = len(chosen)
        self._width = min(len(file.gallery), max(CHUNK, BLOCK_CELLS // self.queries // CHUNK * CHUNK))
        self._total = np.empty(self.queries * self._width, np.float32)
        self._products = np.empty(min(self.queries, TILE) * self._width, np.float32)

    def blocks(self) -> list[tuple[int, int]]:
        """Start and stop of the gallery blocks, in order."""
        size = len(self._gallery)
        return [(start, min(start + self._width, size)) for start in range(0, size, self._width)]

    def block(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """Distances [Q, stop - start], valid until the next call, and how many of them are infinite."""
        total = self._total[: self.queries * (stop - start)].reshape(self.queries, -1)
        total[:] = 0
        for query, gallery in self._compared(start, stop):
            for tile in _tiles(len(query.images)):
                products = self._product(query.features[tile], gallery.features)
                kernels.add_distances(
                    products, query.images[tile], gallery.images, query.squares[tile], gallery.squares, total
                )
        seen = self._gallery_visible[start:stop].astype(np.float32)
        apart = 0
        for tile in _tiles(self.queries):
            common = self._product(self._query_visible[tile].astype(np.float32), seen)
            apart += kernels.average(total[tile], common)
        return total, apart

    def _product(self, query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
        """Scalar products [n, m] of the rows of `query` [n, D] and `gallery` [m, D], valid until the next call."""
        shape = (len(query), len(gallery))
        return np.matmul(query, gallery.T, out=self._products[: shape[0] * shape[1]].reshape(shape))

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distances [M] of the pairs of query `rows[i]` with gallery image `columns[i]`."""
        distances = np.empty(len(rows), np.float32)
        for start, stop in self.blocks():
            inside = np.flatnonzero((columns >= start) & (columns < stop))
            if len(inside):
                distances[inside] = self._pairs_in_block(rows[inside], columns[inside] - start, start, stop)
        return distances

    def _pairs_in_block(self, rows: np.ndarray, columns: np.ndarray, start: int, stop: int) -> np.ndarray:
        total = np.zeros(len(rows), np.float32)
        for query, gallery in self._compared(start, stop):
            first = _places(query.images, self.queries)[rows]
            second = _places(gallery.images, stop - start)[columns]
            kernels.add_pair_distances(
                query.features, gallery.features, query.squares, gallery.squares, first, second, total
            )
        common = (self._query_visible[rows] & self._gallery_visible[start:stop][columns]).sum(1, dtype=np.float32)
        return _averaged(total, common)

    def _compared(self, start: int, stop: int) -> Iterator[tuple[_Side, _Side]]:
        """Query and gallery side of each compared embedding, the gallery's read for this block."""
        stored = np.arange(start, stop)
        yield from zip(self._query, self._sides(self._gallery, self._gallery_visible[start:stop], stored), strict=True)

    def _sides(self, split: StoredSplit, visible: np.ndarray, stored: np.ndarray) -> Iterator[_Side]:
        """Each compared embedding of the images with the numbers `stored` in the file."""
        start, stop = int(stored.min()), int(stored.max()) + 1
        for (name, columns), shown in zip(self._columns.items(), visible.T, strict=True):
            images = np.flatnonzero(shown)
            features = split.features(columns, start, stop)[stored[images] - start]
            if self._normalise:
                features = normalised(features)
            squares = np.einsum("nd,nd->n", features, features)
            _check_finite(squares, split, name, stored[images])
            yield _Side(images, features, squares)


def _tiles(count: int) -> list[slice]:
    return [slice(start, start + TILE) for start in range(0, count, TILE)]


def _places(images: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` images its place in `images`, or -1."""
    places = np.full(count, -1)
    places[images] = np.arange(len(images))
    return places


def _check_finite(squares: np.ndarray, split: StoredSplit, name: str, stored: np.ndarray) -> None:
    if not np.isfinite(squares).all():
        key = split.key[stored[np.flatnonzero(~np.isfinite(squares))[0]]]
        raise UserError(
            f"{split.path}: embedding {name!r} of {key} is not finite; the training diverged, or the file is damaged"
        )
