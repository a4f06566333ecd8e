"""Where the cells of maps lie in an image, and how maps of one grid are read at the cells of another.

Pixel p of an image of n pixels has its centre at p. A network's input of `size` is padded in the middle to 16 k + 1
pixels, and cell j of its maps lies on pixel stride · j of that, as everywhere in the label stages.
"""

from functools import lru_cache

import numpy as np

BLOCK = 4  # input pixels a label cell, in both directions
MULTIPLE = 16  # the network's input is padded to a multiple of this, plus one
PIFPAF_STRIDE = 8  # of all released PifPaf networks, pixels


def padding(length: int) -> tuple[int, int]:
    """Pixels of padding in all and before the first one, along an axis of `length` pixels."""
    extra = -(length - 1) % MULTIPLE
    return extra, extra // 2


def grid_of(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(h, w) cells of the maps of an input of `size` (height, width)."""
    height, width = ((length + padding(length)[0] - 1) // stride + 1 for length in size)
    return height, width


def cell_pixels(size: int, stride: int, image: int) -> np.ndarray:
    """Pixel of an image with `image` pixels on which each cell of an input of `size` pixels lies, along one axis."""
    cells = (size + padding(size)[0] - 1) // stride + 1
    return (stride * np.arange(cells) - padding(size)[1] + 0.5) * image / size - 0.5


@lru_cache(maxsize=1024)
def reading_weights(image: tuple[int, int], grid: tuple[int, int], size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Weights [h, grid h], [w, grid w] that read maps of `grid`, made of an image (height, width), at our own cells.

    Maps of the grid that PifPaf gives for the image as it is, are taken to lie as PifPaf lays them; with the same
    `size`, reading then changes nothing. All others, whose maker has resized the image or the maps, are taken to have
    their corner cells on the image's corner pixels. Cells of ours in the padding take the nearest value.
    """
    as_it_is = grid == grid_of(image, PIFPAF_STRIDE)
    weights = []
    for pixels, cells, ours in zip(image, grid, size, strict=True):
        step, before = (PIFPAF_STRIDE, padding(pixels)[1]) if as_it_is else ((pixels - 1) / (cells - 1), 0)
        where = ((cell_pixels(ours, PIFPAF_STRIDE, pixels) + before) / step).clip(0, cells - 1)
        weights.append(np.maximum(0, 1 - np.abs(where[:, None] - np.arange(cells))).astype(np.float32))
    return tuple(weights)


def nearest_weights(cells: int, map_cells: int) -> np.ndarray:
    """Weights [cells, map_cells] that take for each of `cells` equal shares of a side the map cell at its beginning.

    Departs from the paper: the released code resizes labels so, as if the maps' cells filled the image.
    """
    return np.eye(map_cells, dtype=np.float32)[np.arange(cells) * map_cells // cells]
