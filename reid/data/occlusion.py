"""Occluders pasted on training samples: people, objects and strips, on image and label map alike.

Departs from the paper, which trains without them. Everything that is pasted is background, a person's parts too, so
that attention learns whom the crop was cut for. All that covers a sample is an `Occluder`, a mask of pixels; a cell of
the label map is covered if the pixel is that stands for it (see `source_cells`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from parsing.schemes import BACKGROUND, UNKNOWN
from reid.config.training import Occlusion
from reid.data.augmentation import BLOCK, ERASED_ASPECT, Box


class AugmentedSamples(NamedTuple):
    """B samples after flip, crop and erasing, uint8; `labels` and `confidences` are None where they do not travel."""

    images: np.ndarray  # [B, H, W, 3]
    labels: np.ndarray | None  # [B, H / 4, W / 4]
    confidences: np.ndarray | None  # [B, K, H / 4, W / 4]


class Occluder(NamedTuple):
    """What covers an image where `mask` [H, W] is true: the partner's pixels moved by (down, right), or a colour."""

    mask: np.ndarray
    down: int = 0
    right: int = 0
    colour: tuple[int, int, int] | None = None


def occlude(
    samples: AugmentedSamples, identities: Sequence[int], flipped: Sequence[bool], occlusion: Occlusion,
    rngs: Sequence[np.random.Generator],
) -> None:  # fmt: skip
    """Paste an occluder on some of these samples, in place; each sample's choices come from its own generator.

    Its partner is an image of the batch of another identity, as it was before it got an occluder itself; a batch of
    one identity stays as it is. People need `labels`.
    """
    numbers = np.asarray(identities)
    chosen = []
    for slot, rng in enumerate(rngs):
        others = np.flatnonzero(numbers != numbers[slot])
        if rng.random() < occlusion.probability and len(others):
            partner = int(rng.choice(others))
            chosen.append((slot, partner, draw_occluder(samples, partner, occlusion, rng)))
    partners = {partner: samples.images[partner].copy() for _, partner, _ in chosen}
    for slot, partner, occluder in chosen:
        paste(occluder, partners[partner], samples.images[slot])
        hide_cells(occluder.mask, samples, slot, flipped[slot])


def draw_occluder(samples: AugmentedSamples, partner: int, occlusion: Occlusion, rng: np.random.Generator) -> Occluder:
    """A random occluder from sample number `partner`, of a kind that occurs as often as `occlusion.kinds` says."""
    kinds = sorted(occlusion.kinds)  # not in the order in which a file names them, which changes no batch
    weights = np.array([occlusion.kinds[kind] for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    size = samples.images.shape[1:3]
    if kind == "people":
        return person(size, samples.labels[partner], *draw_shift(samples.labels.shape[1:], occlusion, rng))
    if kind == "objects":
        return object_patch(size, *draw_object(size, occlusion, rng))
    return strip(size, *draw_strip(size, occlusion, rng))


def draw_shift(grid: tuple[int, int], occlusion: Occlusion, rng: np.random.Generator) -> tuple[int, int]:
    """(down, right) in cells of `grid`, by which a person is shifted: to the left or the right, and downwards."""
    down = round(rng.uniform(*occlusion.person_down) * grid[0])
    right = round(rng.uniform(*occlusion.person_across) * grid[1])
    return down, right if rng.random() < 0.5 else -right


def person(size: tuple[int, int], labels: np.ndarray, down: int, right: int) -> Occluder:
    """The person of a label map [h, w], shifted by whole cells (down, right), on an image of `size` (height, width)."""
    shown = (labels != BACKGROUND) & (labels != UNKNOWN)
    rows, columns = np.nonzero(shown)
    rows, columns = rows + down, columns + right
    inside = (rows >= 0) & (rows < labels.shape[0]) & (columns >= 0) & (columns < labels.shape[1])
    cells = np.zeros_like(shown)
    cells[rows[inside], columns[inside]] = True
    mask = np.zeros(size, bool)
    mask[: BLOCK * cells.shape[0], : BLOCK * cells.shape[1]] = cells.repeat(BLOCK, 0).repeat(BLOCK, 1)
    return Occluder(mask, BLOCK * down, BLOCK * right)


def draw_object(size: tuple[int, int], occlusion: Occlusion, rng: np.random.Generator) -> tuple[Box, int, int, bool]:
    """Box, source and form of an `object_patch`: both anywhere, the aspect of random erasing, half of them elliptic."""
    height, width = size
    area = max(1.0, rng.uniform(*occlusion.object_area) * height * width)
    aspect = np.clip(rng.uniform(*ERASED_ASPECT), area / width**2, height**2 / area)  # so that the box fits
    tall = min(max(round(float(area * aspect) ** 0.5), 1), height)
    wide = min(max(round(float(area / aspect) ** 0.5), 1), width)
    (top, above), (left, before) = (rng.integers(room + 1, size=2).tolist() for room in (height - tall, width - wide))
    return Box(top, left, tall, wide), above, before, bool(rng.random() < 0.5)


def object_patch(size: tuple[int, int], box: Box, top: int, left: int, elliptic: bool) -> Occluder:
    """The partner's pixels from row `top` and column `left` on, in `box` or in the ellipse within it."""
    mask = _filled(size, box)
    if elliptic:
        rows, columns = np.ogrid[: box.height, : box.width]
        down, across = (2 * rows + 1) / box.height - 1, (2 * columns + 1) / box.width - 1  # of pixel centres, -1..1
        mask[box.top : box.top + box.height, box.left : box.left + box.width] = down**2 + across**2 <= 1
    return Occluder(mask, box.top - top, box.left - left)


def draw_strip(
    size: tuple[int, int], occlusion: Occlusion, rng: np.random.Generator
) -> tuple[Box, tuple[int, int, int] | None]:
    """A strip's box at the bottom, on the left or on the right, and its colour; None in half of them: the partner's."""
    height, width = size
    edge = ("bottom", "left", "right")[int(rng.integers(3))]
    if edge == "bottom":
        tall = round(rng.uniform(*occlusion.bottom_strip) * height)
        box = Box(height - tall, 0, tall, width)
    else:
        wide = round(rng.uniform(*occlusion.side_strip) * width)
        box = Box(0, 0 if edge == "left" else width - wide, height, wide)
    colour = tuple(rng.integers(256, size=3).tolist())
    return box, colour if rng.random() < 0.5 else None


def strip(size: tuple[int, int], box: Box, colour: tuple[int, int, int] | None) -> Occluder:
    """A `box` of one `colour`, or of what the partner shows at the same place."""
    return Occluder(_filled(size, box), colour=colour)


def _filled(size: tuple[int, int], box: Box) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[box.top : box.top + box.height, box.left : box.left + box.width] = True
    return mask


def paste(occluder: Occluder, partner: np.ndarray, image: np.ndarray) -> None:
    """Cover `image` [H, W, 3] by pixels of `partner` [H, W, 3], or by a colour, in place."""
    if occluder.colour:
        image[occluder.mask] = occluder.colour
    else:
        rows, columns = np.nonzero(occluder.mask)
        image[rows, columns] = partner[rows - occluder.down, columns - occluder.right]


def hide_cells(mask: np.ndarray, samples: AugmentedSamples, slot: int, flipped: bool) -> None:
    """Make the cells of sample `slot` that `mask` [H, W] covers background, in place; unknown labels stay so."""
    if samples.labels is None:
        return
    labels = samples.labels[slot]
    covered = mask[BLOCK // 2 :: BLOCK, BLOCK // 2 - flipped :: BLOCK][: labels.shape[0], : labels.shape[1]]
    labels[covered & (labels != UNKNOWN)] = BACKGROUND
    if samples.confidences is not None:
        samples.confidences[slot][:, covered] = 0
