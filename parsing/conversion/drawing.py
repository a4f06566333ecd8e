"""People as keypoints -> maps like PifPaf's: how much a pixel is on a keypoint, or on the limb between two of them.

    M_c(u) = max over people of s_c · max(0, 1 - d_c(u) / 2 r_c)

d_c(u) is the distance of pixel u from keypoint c, or from the straight connection c; s_c the keypoint's confidence, of
a connection the lesser of its two; r_c half the limb's thickness, a share of the person's height. So the labels'
threshold of 0.5 is met to the limb's edge where the keypoints are certain, less far where they are not, and nowhere
where s_c < 0.5. All lengths are in pixels of the image itself, so that limbs keep their shape when it is resized.
"""

import numpy as np

from parsing.conversion.grids import cell_pixels
from parsing.schemes import CONNECTIONS
from parsing.store import KEYPOINTS

STRIDE = 4  # pixels between cells: finer than PifPaf's, since nothing smooths these maps
FIRST = np.array([*range(KEYPOINTS), *(first for first, _ in CONNECTIONS)])  # a keypoint is a limb of no length
SECOND = np.array([*range(KEYPOINTS), *(second for _, second in CONNECTIONS)])
# r_c as a share of the person's height.
FACE, NECK, ARM, TORSO, LEG, FOOT = 0.065, 0.02, 0.03, 0.06, 0.04, 0.05
RADII = np.array(
    [FACE] * 5 + [ARM] * 6 + [LEG] * 4 + [FOOT] * 2 + [LEG] * 4 + [TORSO] * 4 + [ARM] * 4 + [FACE] * 5 + [NECK] * 2,
    np.float32,
)
# Length of connections as a share of an upright person's height. Seen from aside they are shorter, never longer.
SHARES = {17: 0.25, 18: 0.245, 19: 0.25, 20: 0.245, 21: 0.16, 22: 0.29, 23: 0.29, 24: 0.24, 25: 0.18, 26: 0.18,
          27: 0.15, 28: 0.15}  # fmt: skip
HEAD_SHARES = {29: 0.04, 32: 0.05, 33: 0.05, 34: 0.12, 35: 0.12}  # less certain: for those of whom only a head is seen


def draw_people(people: np.ndarray, image: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Maps [36, h, w] uint8 of people [P, 17, 3] (pixels of the image, confidence; 0 = not found).

    `image` and `size` are the (height, width) of the image and of the network input whose grid the maps have.
    """
    y, x = (cell_pixels(ours, STRIDE, pixels).astype(np.float32) for ours, pixels in zip(size, image, strict=True))
    maps = np.zeros((len(FIRST), len(y), len(x)), np.float32)
    for person in people:
        reach = (2 * RADII * person_height(person, image[0]))[:, None, None]
        strength = np.minimum(person[FIRST, 2], person[SECOND, 2])[:, None, None]
        far = _distances(y, x, person[FIRST, :2], person[SECOND, :2])
        maps = np.maximum(maps, strength * (1 - far / reach))
    return np.rint(255 * maps).astype(np.uint8)


def person_height(person: np.ndarray, otherwise: float) -> float:
    """Height in pixels that a person [17, 3] would have when upright: the largest that a connection tells.

    `otherwise` is what is taken of somebody without a single connection.
    """
    found = (person[FIRST, 2] > 0) & (person[SECOND, 2] > 0)
    lengths = np.hypot(*(person[FIRST, :2] - person[SECOND, :2]).T)
    for shares in (SHARES, HEAD_SHARES):
        heights = [lengths[limb] / share for limb, share in shares.items() if found[limb] and lengths[limb] > 0]
        if heights:
            return max(heights)
    return otherwise


def _distances(y: np.ndarray, x: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distances [C, h, w] of the points of rows `y` [h] and columns `x` [w] from the segments `starts` to `ends`."""
    start_x, start_y = starts.astype(np.float32).T[..., None, None]
    along_x, along_y = (ends - starts).astype(np.float32).T[..., None, None]
    x, y = x - start_x, y[:, None] - start_y
    share = ((x * along_x + y * along_y) / np.maximum(along_x**2 + along_y**2, 1e-9)).clip(0, 1)
    return np.sqrt((x - share * along_x) ** 2 + (y - share * along_y) ** 2)
