"""Boxes as a detector cuts them: shifted, too large, or around half a person.

A box of the image's own sides is moved over the scene by moving the person in it, so that keypoints and parts follow.
"""

import numpy as np

from reid.config.domain import Domain

HALF_BODY = (1.45, 1.9)  # factors on a person's size, whose box then ends between knees and hips
TOO_LARGE = (0.62, 0.85)  # factors on a person's size in a box that is too large


def recut(
    domain: Domain,
    size: tuple[int, int],
    scale: float,
    foot: tuple[float, float],
    whole: bool,
    rng: np.random.Generator,
) -> tuple[float, tuple[float, float]]:
    """Pixels a metre and the feet's (x, y) of a person in a box as the domain's detector cuts it.

    `size` is (width, height) in pixels; the box of a `whole` one holds the person's feet, but for a shift.
    """
    width, height = size
    half, large = rng.random(), rng.random()
    factor, up = 1.0, 0.0
    if not whole and half < domain.half_bodies:
        factor = rng.uniform(*HALF_BODY)
    elif large < domain.box_enlarged:
        factor = rng.uniform(*TOO_LARGE)
        up = rng.uniform(0, 1 - factor) * height
    shift = np.clip(rng.normal(0, 0.5, 2), -1, 1) * domain.box_shift
    top = 0.05 * height  # kept by a person who does not fit
    bottom = foot[1] if factor <= 1 else top + factor * (foot[1] - top)
    return scale * factor, (foot[0] + shift[0] * width, bottom - up + shift[1] * height)
