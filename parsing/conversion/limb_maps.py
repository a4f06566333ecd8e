"""People as keypoints -> maps like PifPaf's, in which they are drawn as `limbs` labels draw the target.

    M_c(u) = max over people of drawn_c(u)                   see `limbs`

All lengths are in pixels of the image itself, so that limbs keep their shape when it is resized. Like PifPaf's, these
maps show every person in the image: which person is meant is for the labels to say.
"""

import numpy as np

from parsing.grids import cell_pixels
from parsing.labels import limbs
from parsing.store import MAPS

STRIDE = 4  # pixels between cells: finer than PifPaf's, since these maps have edges
# Length of connections as a share of an upright person's height. Seen from aside they are shorter, never longer.
SHARES = {17: 0.25, 18: 0.245, 19: 0.25, 20: 0.245, 21: 0.16, 22: 0.29, 23: 0.29, 24: 0.24, 25: 0.18, 26: 0.18,
          27: 0.15, 28: 0.15}  # fmt: skip
HEAD_SHARES = {29: 0.04, 32: 0.05, 33: 0.05, 34: 0.12, 35: 0.12}  # less certain: for those of whom only a head is seen


def draw_people(people: np.ndarray, image: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Maps [36, h, w] uint8 of people [P, 17, 3] (pixels of the image, confidence; 0 = not found).

    `image` and `size` are the (height, width) of the image and of the network input whose grid the maps have.
    """
    y, x = (cell_pixels(ours, STRIDE, pixels) for ours, pixels in zip(size, image, strict=True))
    cells = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)
    maps = np.zeros((MAPS, len(cells)), np.float32)
    for person in people.astype(np.float32):
        height = upright_height(person, image[0])
        maps = np.maximum(maps, limbs.drawn(person / (*image[::-1], 1), cells, image, height))
    return np.rint(255 * maps).astype(np.uint8).reshape(-1, len(y), len(x))


def upright_height(person: np.ndarray, otherwise: float) -> float:
    """Height in pixels that a person [17, 3] would have when upright: the largest that a connection tells.

    People in photographs sit, and are cut off anywhere. `otherwise` is taken of one without a single connection.
    """
    found = limbs.found(person)
    lengths = np.hypot(*(person[limbs.FIRST, :2] - person[limbs.SECOND, :2]).T)
    for shares in (SHARES, HEAD_SHARES):
        heights = [lengths[limb] / share for limb, share in shares.items() if found[limb] and lengths[limb] > 0]
        if heights:
            return float(max(heights))
    return otherwise
