"""Joint augmentation of an image and its label map (Section 4.2): flip, padding and random crop, random erasing.

What is done to a sample is drawn first, as a `AugmentParams`; image and label map then follow it, each on its own grid.
Flip and crop keep rows rows and columns columns, so that a label map is moved by one index vector along each axis.
"""

import functools
from typing import NamedTuple

import numpy as np
import torch
from torchvision.transforms.v2 import functional

from artefacts.imagenet import IMAGENET_COLOUR
from parsing.schemes import BACKGROUND, UNKNOWN
from reid.config.root import Augmentation
from reid.config.training import Jitter

ERASED_AREA = (0.02, 0.4)  # share of the image, Zhong et al. [45]
ERASED_ASPECT = (0.3, 1 / 0.3)  # height / width
ERASED_SIDES = (0.15, 0.65)  # share of the height and of the width, in the released code
BLOCK = 4  # pixels of the placed image a cell of its label map, in both directions


class Box(NamedTuple):
    """A rectangle, in pixels."""

    top: int
    left: int
    height: int
    width: int


class AugmentParams(NamedTuple):
    """What is done to one sample: flip; then the crop begins `down`, `right` pixels off; then a box is erased.

    `color_jitter` are the factors of brightness and of contrast, which change the image alone, before the crop.
    """

    flipped: bool
    down: int
    right: int
    erased: Box | None
    color_jitter: tuple[float, float] | None = None


AS_IT_IS = AugmentParams(False, 0, 0, None)


def sample_augmentation(size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator) -> AugmentParams:
    """A random placement of an image of `size` (height, width)."""
    draw_box = {"paper": draw_erased_box, "official": draw_official_erased_box}[augmentation.erasing_form]
    flipped = bool(rng.random() < augmentation.flip)
    down, right = (int(rng.integers(2 * augmentation.padding + 1)) - augmentation.padding for _ in range(2))
    erased = draw_box(size, rng) if rng.random() < augmentation.erasing else None
    return AugmentParams(flipped, down, right, erased, augmentation.jitter and draw_light(augmentation.jitter, rng))


def draw_light(jitter: Jitter, rng: np.random.Generator) -> tuple[float, float] | None:
    """Factors of brightness and of contrast, or None in the other cases.

    Departs from the paper: the colour jitter that the authors' released code adds for Occluded-ReID.
    """
    factors = tuple(float(rng.uniform(1 - share, 1 + share)) for share in (jitter.brightness, jitter.contrast))
    return factors if rng.random() < jitter.probability else None


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


def draw_official_erased_box(size: tuple[int, int], rng: np.random.Generator) -> Box:
    """A box of 15 to 65 % of the height and, drawn apart, of the width, anywhere in the image.

    Departs from the paper: the random erasing of the authors' released code, in place of area and aspect of [45].
    """
    tall, wide = (int(rng.integers(*(round(share * side) for share in ERASED_SIDES), endpoint=True)) for side in size)
    return Box(int(rng.integers(size[0] - tall + 1)), int(rng.integers(size[1] - wide + 1)), tall, wide)


def apply_to_image(image: np.ndarray, placement: AugmentParams, out: np.ndarray) -> None:
    """Write `image` [H, W, 3] as the placement shows it into `out` [H, W, 3], which must be zero (the padding)."""
    height, width = image.shape[:2]
    flipped, down, right, erased, color_jitter = placement
    if color_jitter:
        image = jittered(image, *color_jitter)
    if flipped:
        image = torch.from_numpy(image).flip(1).numpy()  # ten times faster than image[:, ::-1]
    rows, columns = slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0))
    out[rows, columns] = image[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    if erased:
        strip = np.tile(np.array(IMAGENET_COLOUR, np.uint8), (erased.width, 1))  # a row at once, not a pixel
        out[erased.top : erased.top + erased.height, erased.left : erased.left + erased.width] = strip


def jittered(image: np.ndarray, brightness: float, contrast: float) -> np.ndarray:
    """`image` [H, W, 3] uint8 times `brightness`, then drawn from its mean grey by the factor `contrast`."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)
    changed = functional.adjust_contrast(functional.adjust_brightness(pixels, brightness), contrast)
    return changed.permute(1, 2, 0).contiguous().numpy()


class Cells(NamedTuple):
    """Where the cells of a placed label map come from: `rows` [h, 1] and `columns` [w] of the source.

    `hidden` lists the rectangles of the placed map, as (rows, columns), that lie in the padding or the erased box.
    """

    rows: np.ndarray
    columns: np.ndarray
    hidden: list[tuple[slice, slice]]


def source_cells(size: tuple[int, int], grid: tuple[int, int], placement: AugmentParams) -> Cells:
    """The source, in a label map of `grid` (h, w), of each cell of the placed map [H / 4, W / 4] of an image `size`.

    The cells of either map are equal blocks that fill their image; a placed cell takes what lies at its centre. Four
    pixels meet there: it is the one to the right and below, or, if the image was flipped, that one's mirror image,
    which makes a flip the exact reversal of the columns.
    """
    flipped, down, right, erased, _ = placement
    middle, across = BLOCK // 2, BLOCK // 2 - flipped  # the pixel of a block that stands for it, along each axis
    rows = _sources(size[0], grid[0], down, middle, False)
    columns = _sources(size[1], grid[1], right, across, flipped)
    everything = slice(None)
    hidden = [(lines, everything) for lines in _padding(size[0], down, middle)]
    hidden += [(everything, lines) for lines in _padding(size[1], right, across)]
    if erased:
        lines = _cells(erased.top, erased.top + erased.height, middle)
        hidden.append((lines, _cells(erased.left, erased.left + erased.width, across)))
    return Cells(rows[:, None], columns, hidden)


@functools.cache
def _sources(length: int, cells: int, shift: int, middle: int, flipped: bool) -> np.ndarray:
    """Source cell of each placed cell along one axis [length / 4]; those in the padding have the outermost one."""
    pixels = BLOCK * np.arange(length // BLOCK) + middle + shift
    if flipped:
        pixels = length - 1 - pixels
    return (pixels * cells // length).clip(0, cells - 1)


def _padding(length: int, shift: int, middle: int) -> list[slice]:
    """The placed cells along one axis whose `middle` pixels the crop took from the padding."""
    if shift == 0:
        return []
    return [_cells(0, -shift, middle) if shift < 0 else _cells(length - shift, length, middle)]


def _cells(start: int, stop: int, middle: int) -> slice:
    """The cells whose `middle` pixels are among those from `start` up to `stop`."""
    return slice(-((middle - start) // BLOCK), -((middle - stop) // BLOCK))


def apply_to_labels(labels: np.ndarray, cells: Cells, flipped: bool, mirrored: list[int]) -> np.ndarray:
    """The label map [h, w] uint8 as the placement shows it; hidden cells become background, unknown ones stay so.

    `mirrored` [K + 1]: the label that takes a label's place in the mirror, so that a left arm becomes a right one.
    """
    placed = labels[cells.rows, cells.columns]
    if flipped:
        placed = np.concatenate([np.asarray(mirrored, np.uint8), np.arange(len(mirrored), 256, dtype=np.uint8)])[placed]
    for rows, columns in cells.hidden:
        shown = placed[rows, columns]
        shown[shown != UNKNOWN] = BACKGROUND
    return placed


def apply_to_confidences(confidences: np.ndarray, cells: Cells, flipped: bool, mirrored: list[int]) -> np.ndarray:
    """The parts' confidences [K, h, w] uint8 as the placement shows them; zero where a cell is hidden."""
    if flipped:
        confidences = confidences[np.asarray(mirrored[1:]) - 1]
    placed = confidences[:, cells.rows, cells.columns]
    for rows, columns in cells.hidden:
        placed[:, rows, columns] = 0
    return placed
