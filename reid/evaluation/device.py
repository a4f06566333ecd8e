"""The distances of a tile on a GPU: the same as on the processor, but for products with what is not visible.

No shape depends on what is visible, so the GPU is never waited for but when a tile is done.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reid.evaluation import kernels
from reid.evaluation.matching import Side
from reid.evaluation.products import Sides, rounding


class Dense(NamedTuple):
    """One embedding of all N images, zero where it is not visible."""

    features: Float[Tensor, "N D"]
    squares: Float[Tensor, " N"]
    weights: Float[Tensor, " N"]


class OnDevice:
    """Tiles by matrix products on a device of torch, in float32; see `OnProcessor`, whose methods it has."""

    def __init__(self, device: str, tiles: Sequence[Sides], weights: Sequence[np.ndarray]):
        self._device = torch.device(device)
        self._tiles = [self._dense(sides, len(scores)) for sides, scores in zip(tiles, weights, strict=True)]

    def ready(self, columns: Sides, weights: np.ndarray) -> list[Dense]:
        """Columns of a block on the device."""
        return self._dense(columns, len(weights))

    def tile(self, number: int, block: list[Dense]) -> tuple[np.ndarray, np.ndarray, int, float]:
        """Distances [R, B], their slack [R], how many are infinite, the largest other."""
        with torch.inference_mode():
            distances, slack = (values.cpu().numpy() for values in tile_distances(self._tiles[number], block))
        return distances, slack, int(np.isinf(distances).sum()), float(kernels.largest_finite(distances).max())

    def _dense(self, sides: Sides, images: int) -> list[Dense]:
        return [
            Dense(*(torch.from_numpy(values).to(self._device) for values in _spread(side, images))) for side in sides
        ]


def _spread(side: Side, images: int) -> list[np.ndarray]:
    spread = [np.zeros((images, *values.shape[1:]), np.float32) for values in side[1:]]
    for whole, values in zip(spread, side[1:], strict=True):
        whole[side.images] = values
    return spread


def tile_distances(rows: list[Dense], columns: list[Dense]) -> tuple[Float[Tensor, "R B"], Float[Tensor, " R"]]:
    """Eq. 9 between R and B images, infinite where nothing is visible in both; and how far off it is at most."""
    shape = len(rows[0].weights), len(columns[0].weights)
    total, common = (torch.zeros(shape, device=rows[0].weights.device) for _ in range(2))
    slack = torch.zeros(shape[0], device=total.device)
    for row, column in zip(rows, columns, strict=True):
        both = row.weights[:, None] * column.weights
        squared = row.squares[:, None] + column.squares - 2 * (row.features @ column.features.T)
        squared = squared.clamp_min(0)
        total, common = total + both * squared.sqrt(), common + both
        off = float(rounding(row.features.shape[1])) * (row.squares + column.squares.max())
        nearest = squared.where(both > 0, torch.inf).amin(1)
        slack = torch.maximum(slack, torch.where(nearest <= off, off.sqrt(), off / nearest.sqrt()))
    apart = common == 0
    distances = (total / common).masked_fill(apart, torch.inf)
    return distances, slack + float(kernels.ROUNDING) * distances.masked_fill(apart, 0).amax(1)
