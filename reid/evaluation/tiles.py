"""Distances tile by tile, on several threads: a few queries by a few gallery images at a time.

A tile is of the same queries and gallery images on any number of threads, so nothing computed from it depends on it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

Block = TypeVar("Block")


@dataclass(frozen=True)
class Compute:
    """Where distances are computed: on so many `threads` of this process, and products on torch's `device`, "cpu" or
    "cuda". No rank depends on it."""

    threads: int = 1
    device: str = "cpu"


HERE = Compute()


@dataclass(frozen=True)
class Tile:
    """Distances [R, B] of the queries `rows` to the gallery images from `first` on, valid until its receiver returns.

    Matrix products give them, which round a pair by where it stands: each is within `slack` [R] of the one that
    `measured(i, j)` gives [n] for cells (i, j), always the same for a pair and equal for copies of an image. `apart` of
    them are infinite, `largest` is the largest other.
    """

    rows: slice
    first: int
    distances: np.ndarray
    slack: np.ndarray
    measured: Callable[[np.ndarray, np.ndarray], np.ndarray]
    apart: int = 0
    largest: float = 0.0

    @property
    def stop(self) -> int:
        """The gallery image after the last."""
        return self.first + self.distances.shape[1]


class Distances(Protocol):
    """Distances of Q queries to G gallery images."""

    def stream(self, receive: Callable[[Tile], None], title: str | None) -> None:
        """Give all of them to `receive`, tile by tile; a `title` shows progress."""

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Those [M] of the pairs of query `rows[i]` with gallery image `columns[i]`, measured."""


def as_it_is(distances: np.ndarray, first: int = 0) -> Tile:
    """A tile of all queries whose `distances` [Q, B] need no measuring; it is overwritten by what receives it."""
    none = np.zeros(len(distances), np.float32)
    return Tile(slice(0, len(distances)), first, distances, none, lambda i, j: distances[i, j])


def stream(blocks: Iterable[Block], tiles: int, work: Callable[[int, Block], None], threads: int) -> None:
    """Call `work(tile, block)` for each of the `tiles` of each block, on so many threads, in any order.

    While threads work on a block, the next is made. Raises what `work` or a block raises.
    """
    if threads <= 1:
        for block in blocks:
            for tile in range(tiles):
                work(tile, block)
        return
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future] = deque()
        try:
            for block in blocks:
                begun.extend(pool.submit(work, tile, block) for tile in range(tiles))
                while len(begun) > threads:  # then the next block is made while none of them has nothing to do
                    begun.popleft().result()
            while begun:
                begun.popleft().result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
