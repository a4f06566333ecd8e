"""The nearest gallery images of each query, kept tile by tile."""

import numpy as np

from reid.evaluation import kernels
from reid.evaluation.tiles import Tile


class Nearest:
    """The k nearest `images` [Q, k] of each query and their `distances` [Q, k], measured; of equals, the earlier one.

    -1 and NaN stand where there are no more. Distances of NaN are left out.
    """

    def __init__(self, queries: int, keep: int):
        self.images = np.full((queries, keep), -1)
        self.distances = np.full((queries, keep), np.nan, np.float32)

    def add(self, tile: Tile) -> None:
        """Take in a tile, in which what may be among the nearest is measured."""
        none = np.zeros(len(tile.distances) + 1, np.int64), np.zeros(0, np.float32)
        decisive = kernels.undecided(tile.distances, tile.slack, *none, self.distances[tile.rows])
        tile.distances[decisive] = tile.measured(*decisive)
        self.keep(tile)

    def keep(self, tile: Tile) -> None:
        """Take in a tile in which that is done."""
        if self.images.shape[1]:
            kernels.keep_nearest(tile.distances, tile.first, self.images[tile.rows], self.distances[tile.rows])
