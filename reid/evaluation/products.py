"""The scalar products behind the distances of a tile, and the distances from them: on the processor, or on a GPU.

Both have the same two methods: `ready` brings a block of columns to where the products are, `tile` computes. What they
give is off by `slack` at most; who needs a distance exactly measures it (`reid.evaluation.tiles`).
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from reid.evaluation import kernels
from reid.evaluation.matching import Side

Sides = list[Side]  # one a compared embedding


def rounding(dimension: int) -> np.float32:
    """How far a product of features of this length is off at most, as a share of the two squared norms.

    Four times what sums of `dimension` rounded terms are off if their errors are independent.
    """
    return np.float32(2**-22 * (1 + dimension**0.5))


def products(device: str) -> Callable:
    """The class that computes tiles on a device of torch; NumPy does on "cpu", without torch."""
    if device == "cpu":
        return OnProcessor
    from reid.evaluation.device import OnDevice

    return partial(OnDevice, device)


class OnProcessor:
    """Tiles by NumPy's matrix product of what is visible alone, and one compiled pass over it.

    BLAS should be on one thread (OPENBLAS_NUM_THREADS=1), since tiles are on several.
    """

    def __init__(self, tiles: Sequence[Sides], weights: Sequence[np.ndarray]):
        self._tiles, self._weights = tiles, weights
        self._own = threading.local()  # arrays that a thread uses again

    def ready(self, columns: Sides, weights: np.ndarray) -> tuple[Sides, np.ndarray]:
        """Columns of a block, and their visibility scores [B, P], as `tile` wants them."""
        return columns, np.ascontiguousarray(weights.T)

    def tile(self, number: int, block: tuple[Sides, np.ndarray]) -> tuple[np.ndarray, np.ndarray, int, float]:
        """Distances [R, B], valid until this thread's next call, their slack [R], how many are infinite, the largest
        other."""
        columns, column_weights = block
        row_weights = self._weights[number]
        total = self._array("total", len(row_weights), column_weights.shape[1])
        total[:] = 0
        slack = np.zeros(len(row_weights), np.float32)
        for row, column in zip(self._tiles[number], columns, strict=True):
            if len(row.images) and len(column.images):
                products = self._array("products", len(row.images), len(column.images))
                np.matmul(row.features, column.features.T, out=products)
                kernels.add_distances(products, row, column, rounding(row.features.shape[1]), total, slack)
        return total, slack, *kernels.average(total, row_weights, column_weights, slack)

    def _array(self, name: str, height: int, width: int) -> np.ndarray:
        held = getattr(self._own, name, None)
        if held is None or held.size < height * width:
            held = np.empty(height * width, np.float32)
            setattr(self._own, name, held)
        return held[: height * width].reshape(height, width)
