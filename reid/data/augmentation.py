"""Joint augmentation of an image and its label map (Section 4.2): flip, padding and random crop, random erasing.

What is done to a sample is drawn first, as a `Placement`; image and label map then follow it, each on its own grid.
Flip and crop keep rows rows and columns columns, so that a label map is moved by one index vector along each axis.
"""

from typing import NamedTuple

import numpy as np
import torch

from reid.config import Augmentation

BACKGROUND, UNKNOWN = 0, 255  # label of the scene; label of a cell about which nothing is known
MEAN_COLOUR = (124, 116, 104)  # of ImageNet: erased pixels are (almost) zero once normalised
ERASED_AREA = (0.02, 0.4)  # share of the image, Zhong et al. [45]
ERASED_ASPECT = (0.3, 1 / 0.3)  # height / width
LABEL_STRIDE = 4  # pixels between neighbouring cells of a label map, on both sides of the augmentation


class Box(NamedTuple):
    """A rectangle, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Placement(NamedTuple):
    """What is done to one sample: flip; then the crop begins `down`, `right` pixels off; then a box is erased."""

    flipped: bool
    down: int
    right: int
    erased: Box | None


def draw_placement(size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator) -> Placement:
    """A random placement of an image of `size` (height, width)."""
    flipped = bool(rng.random() < augmentation.flip)
    down, right = rng.integers(-augmentation.padding, augmentation.padding, size=2, endpoint=True)
    erased = draw_erased_box(size, rng) if rng.random() < augmentation.erasing else None
    return Placement(flipped, int(down), int(right), erased)


def draw_erased_box(size: tuple[int, int], rng: np.random.Generator) -> Box | None:
    """The box of random erasing (Zhong et al. [45]): area and aspect are drawn until it fits; None if it never does."""
    height, width = size
    for _ in range(100):
        area = rng.uniform(*ERASED_AREA) * height * width
        aspect = rng.uniform(*ERASED_ASPECT)
        tall, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if tall < height and wide < width:
            return Box(int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1)), tall, wide)
    return None


def place_image(image: np.ndarray, placement: Placement, out: np.ndarray) -> None:
    """Write `image` [H, W, 3] as the placement shows it into `out` [H, W, 3], which must be zero (the padding)."""
    height, width = image.shape[:2]
    flipped, down, right, erased = placement
    if flipped:
        image = torch.from_numpy(image).flip(1).numpy()  # ten times faster than image[:, ::-1]
    rows, columns = slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0))
    out[rows, columns] = image[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    if erased:
        strip = np.tile(np.array(MEAN_COLOUR, np.uint8), (erased.width, 1))  # a row at once, not a pixel
        out[erased.top : erased.top + erased.height, erased.left : erased.left + erased.width] = strip


class Cells(NamedTuple):
    """Where the cells of a placed label map come from: `rows` [h, 1] and `columns` [w] of the source; `hidden` [h, w].

    Hidden cells lie in the padding or in the erased box.
    """

    rows: np.ndarray
    columns: np.ndarray
    hidden: np.ndarray


def source_cells(size: tuple[int, int], grid: tuple[int, int], placement: Placement) -> Cells:
    """The source, in a label map of `grid` (h, w), of each cell of the placed map [H / 4, W / 4] of an image `size`.

    Cell j of either map lies on pixel 4 j of its own image; the nearest source cell is taken.
    """
    rows, out_rows, erased_rows = _along(size[0], grid[0], placement.down, False, _span(placement.erased, 0))
    columns, out_columns, erased_columns = _along(
        size[1], grid[1], placement.right, placement.flipped, _span(placement.erased, 1)
    )
    hidden = (out_rows[:, None] | out_columns) | (erased_rows[:, None] & erased_columns)
    return Cells(rows[:, None], columns, hidden)


def _span(box: Box | None, axis: int) -> tuple[int, int]:
    return (box[axis], box[axis] + box[axis + 2]) if box else (0, 0)


def _along(length: int, cells: int, shift: int, flipped: bool, erased: tuple[int, int]):
    """Along one axis: source cell, whether it lies in the padding, whether in the erased span; each [length / 4]."""
    pixels = np.arange(0, length, LABEL_STRIDE)
    sources = pixels + shift
    if flipped:
        sources = length - 1 - sources
    padding = (sources < 0) | (sources >= length)
    labelled = (sources + 0.5) * (cells * LABEL_STRIDE / length) - 0.5  # the same point in the image of the labels
    nearest = np.rint(labelled / LABEL_STRIDE).astype(np.intp).clip(0, cells - 1)
    return nearest, padding, (pixels >= erased[0]) & (pixels < erased[1])


def place_labels(labels: np.ndarray, cells: Cells, flipped: bool, mirrored: list[int]) -> np.ndarray:
    """The label map [h, w] uint8 as the placement shows it; hidden cells become background, unknown ones stay so.

    `mirrored` [K + 1]: the label that takes a label's place in the mirror, so that a left arm becomes a right one.
    """
    placed = labels[cells.rows, cells.columns]
    if flipped:
        placed = np.concatenate([np.asarray(mirrored, np.uint8), np.arange(len(mirrored), 256, dtype=np.uint8)])[placed]
    placed[cells.hidden & (placed != UNKNOWN)] = BACKGROUND
    return placed


def place_confidences(confidences: np.ndarray, cells: Cells, flipped: bool, mirrored: list[int]) -> np.ndarray:
    """The parts' confidences [K, h, w] uint8 as the placement shows them; zero where a cell is hidden."""
    if flipped:
        confidences = confidences[np.asarray(mirrored[1:]) - 1]
    placed = confidences[:, cells.rows, cells.columns]
    placed[:, cells.hidden] = 0
    return placed
