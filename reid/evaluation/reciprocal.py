"""The steps of re-ranking [44] that know images only: reciprocal neighbours, their expansion, and encodings.

Sparse matrices are `starts` [N + 1] of the rows, `columns` and `values`, with columns rising inside a row.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

ROWS = 256  # images of a step


class Sparse(NamedTuple):
    """A sparse matrix of N rows."""

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def by_column(self, first: int, stop: int) -> "Sparse":
        """The rows from `first` to `stop`, counted from zero, as rows of the transposed matrix, of N columns."""
        inside = slice(self.starts[first], self.starts[stop])
        order = np.argsort(self.columns[inside], kind="stable")
        starts = np.searchsorted(self.columns[inside][order], np.arange(len(self.starts)))
        rows = np.repeat(np.arange(stop - first), np.diff(self.starts[first : stop + 1]))
        return Sparse(starts, rows[order], self.values[inside][order])


def _reciprocal(nearest: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Which [n, k] of the `k` nearest images of `rows` [n] have them among theirs."""
    theirs = nearest[nearest[rows, :k], :k]
    return (theirs == rows[:, None, None]).any(axis=2) & (nearest[rows, :k] >= 0)


def expanded_neighbours(nearest: np.ndarray, k: int, half: int) -> tuple[np.ndarray, np.ndarray]:
    """R*(i, k) of [44] for every image: `starts` [N + 1] and the neighbours, rising.

    `nearest` [N, at least k] are each image's nearest, itself among them, -1 where there are no more. The reciprocal
    neighbours of a reciprocal neighbour, `half` nearest, join if more than two thirds of them are in already.
    """
    steps = [np.arange(start, min(start + ROWS, len(nearest))) for start in range(0, len(nearest), ROWS)]
    mutual = np.concatenate([_reciprocal(nearest, rows, half) for rows in steps])
    found = [_expanded(nearest, rows, k, mutual) for rows in steps]
    counts = np.concatenate([count for count, _ in found])
    return np.concatenate([[0], np.cumsum(counts)]), np.concatenate([members for _, members in found])


def _expanded(nearest: np.ndarray, rows: np.ndarray, k: int, mutual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number [n] of the expanded neighbours of `rows`, and these one after the other."""
    own = np.where(_reciprocal(nearest, rows, k), nearest[rows, :k], -1)
    theirs = np.where(mutual[own], nearest[own, : mutual.shape[1]], -2)
    inside = (theirs[..., None] == own[:, None, None]).any(axis=3).sum(axis=2)
    joins = (own >= 0) & (3 * inside > 2 * (theirs >= 0).sum(axis=2))
    members = np.concatenate([own, np.where(joins[..., None], theirs, -1).reshape(len(rows), -1)], axis=1)
    members.sort(axis=1)
    first = (members >= 0) & (np.diff(members, axis=1, prepend=-1) > 0)
    return first.sum(axis=1), members[first]


def averaged(encoding: Sparse, nearest: np.ndarray, k: int) -> Sparse:
    """Each row replaced by the mean over its `k` nearest images; -1 in `nearest` [N, at least k] is none."""
    images = len(nearest)
    parts = [_averaged(encoding, nearest[start : start + ROWS, :k]) for start in range(0, images, ROWS)]
    counts, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Sparse(np.concatenate([[0], np.cumsum(counts)]), columns, values)


def _averaged(encoding: Sparse, nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths [n] of the rows of `averaged` for these images, their columns and values one after the other."""
    row, place = np.nonzero(nearest >= 0)
    share = 1 / (nearest >= 0).sum(axis=1)
    chosen = nearest[row, place]
    lengths = np.diff(encoding.starts)[chosen]
    inside = np.arange(lengths.sum()) + np.repeat(encoding.starts[chosen] - np.cumsum(lengths) + lengths, lengths)
    row, images = np.repeat(row, lengths), len(encoding.starts) - 1
    keys, which = np.unique(row * images + encoding.columns[inside], return_inverse=True)
    values = np.bincount(which, encoding.values[inside] * share[row]).astype(np.float32)
    return np.bincount(keys // images, minlength=len(nearest)), keys % images, values


@njit(cache=True)
def add_overlap(encoding, rows, block, overlap):
    """Add to `overlap` [Q, B] the smaller of two encodings, over the columns that both have: of `rows` [Q] and a block.

    `block` is `encoding.by_column` of B images.
    """
    for query in range(len(rows)):
        for place in range(encoding.starts[rows[query]], encoding.starts[rows[query] + 1]):
            column, value = encoding.columns[place], encoding.values[place]
            for other in range(block.starts[column], block.starts[column + 1]):
                overlap[query, block.columns[other]] += min(value, block.values[other])


@njit(cache=True)
def overlaps(encoding, first, second):
    """The same [M] of the pairs of images `first[i]` and `second[i]`."""
    starts, columns, values = encoding.starts, encoding.columns, encoding.values
    total = np.zeros(len(first), np.float32)
    for pair in range(len(first)):
        one, other = starts[first[pair]], starts[second[pair]]
        while one < starts[first[pair] + 1] and other < starts[second[pair] + 1]:
            if columns[one] == columns[other]:
                total[pair] += min(values[one], values[other])
            step = columns[one] - columns[other]
            one += step <= 0
            other += step >= 0
    return total
