"""Where a person's skeleton has its limbs: how far cells lie from the keypoints and connections of PifPaf's 36 maps.

With d_c(u) the distance of cell u from keypoint or connection c, as a share of the person's height:

    near_c(u)  = exp(-d_c(u)² / 2 r_c²)              r_c a few times the thickness of limb c
    drawn_c(u) = sqrt(w_c) · 2^(-(d_c(u) / R_c)²)    R_c half the thickness, w_c the lesser confidence of its keypoints

so that a limb that was found for sure is drawn as a capsule of radius R_c under a threshold of 0.5, and one that was
found with w_c < 1/4 not at all. Thicknesses are those of adults, in their usual clothes.

Between shoulders and hips there is no limb, but a torso: there

    trunk_c(u) = sqrt(w)                             w the least confidence of the shoulders and hips that were found
    drawn_c(u) = max(its capsule, 3/4 trunk_c(u))    so that arms are seen in front of it

in the convex hull of at least three of them, whichever way they are crossed. The half next to the shoulders is c = 24,
their connection, the other half 22 and 23, the flanks: so a part scheme gets all of it for its torso, and one of bands
(five_v) half of it for each of two.
"""

from itertools import combinations

import numpy as np

from parsing.labels.skeletons import person_height
from parsing.schemes import CONNECTIONS

FIRST = np.array([*range(17), *(first for first, _ in CONNECTIONS)])  # a keypoint is a segment of no length
SECOND = np.array([*range(17), *(second for _, second in CONNECTIONS)])


def _shares(default: float, **members: tuple[float, list[int]]) -> np.ndarray:
    """[36] one share of the person's height a map: `default`, but for the maps listed with another."""
    shares = np.full(len(FIRST), default, np.float32)
    for share, channels in members.values():
        shares[channels] = share
    return shares


ARM = [7, 8, 9, 10, 25, 26, 27, 28]
REACH = _shares(0.07, arms=(0.045, ARM), torso=(0.12, [21, 22, 23, 24]))  # r_c
NOT_FOUND = 0.3  # r_c of a limb that the decoder did not find, around all that it found
RADIUS = _shares(
    0.05,  # eyes
    nose=(0.04, [0]),
    ears=(0.06, [3, 4, 32, 33]),
    neck=(0.03, [34, 35]),
    upper_arm=(0.035, [5, 6, 7, 8, 25, 26]),
    lower_arm=(0.03, [9, 10, 27, 28]),
    torso=(0.07, [11, 12, 21, 22, 23, 24]),
    thigh=(0.055, [18, 20]),
    shin=(0.04, [13, 14, 17, 19]),
    foot=(0.04, [15, 16]),
)  # R_c
BEHIND_ARMS = 0.75  # of the torso's strength where limbs are drawn
SHOULDERS, HIPS, ACROSS, FLANKS = (5, 6), (11, 12), 24, [22, 23]  # keypoints; connections
BEYOND = {9: (7, 0.05), 10: (8, 0.05), 15: (13, 0.04), 16: (14, 0.04)}  # hands and feet go on from wrists and ankles


def found(person: np.ndarray) -> np.ndarray:
    """Whether the decoder found each keypoint, and both ends of each connection, of a person [17, 3]: [36] bool."""
    return (person[FIRST, 2] > 0) & (person[SECOND, 2] > 0)


def near(person: np.ndarray, centres: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """near [36, N] in 0..1 at `centres` [N, 2] x, y pixels of an image of `size` (height, width).

    Of what was not found, d_c is the distance to the nearest limb that was, and r_c is wide.
    """
    points, there = person[:, :2] * np.array(size[::-1], np.float32), found(person)
    squared = _squared_distance(centres, points[FIRST], points[SECOND])
    squared[~there] = squared[there].min(0)
    reach = np.where(there, REACH, np.float32(NOT_FOUND)) * _height(person, size)
    return np.exp(squared / (-2 * reach[:, None] ** 2))


def drawn(person: np.ndarray, centres: np.ndarray, size: tuple[int, int], height: float | None = None) -> np.ndarray:
    """drawn and trunk, the larger [36, N] in 0..1 at `centres` [N, 2] x, y pixels of an image of `size`.

    0 for what was not found. Hands and feet are drawn with the wrists and ankles: they go on in the direction of the
    forearm and shin. `height` is the person's in pixels, where it is known better than `person_height` tells it.
    """
    height = np.float32(height or _height(person, size))
    points = person[:, :2] * np.array(size[::-1], np.float32)
    ends = points[SECOND]
    for tip, (before, share) in BEYOND.items():
        ends[tip] += share * height * _direction(points, person[:, 2], before, tip)
    weight = np.sqrt(np.minimum(person[FIRST, 2], person[SECOND, 2]))
    squared = _squared_distance(centres, points[FIRST], ends)
    capsules = weight[:, None] * np.exp2(-squared / (RADIUS * height)[:, None] ** 2)
    return np.maximum(capsules, BEHIND_ARMS * trunk(person, centres, size))


def trunk(person: np.ndarray, centres: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """trunk [36, N] in 0..1 of a person [17, 3] at `centres` [N, 2] x, y pixels of an image of `size`."""
    filled = np.zeros((len(FIRST), len(centres)), np.float32)
    corners = [joint for joint in (*SHOULDERS, *HIPS) if person[joint, 2] > 0]
    if len(corners) < 3:
        return filled
    points = person[:, :2] * np.array(size[::-1], np.float32)
    inside = np.any([_in_triangle(centres, points[list(three)]) for three in combinations(corners, 3)], axis=0)
    top, bottom = (points[[joint for joint in pair if joint in corners]].mean(0) for pair in (SHOULDERS, HIPS))
    lower = (centres - (top + bottom) / 2) @ (bottom - top) > 0
    strength = np.sqrt(person[corners, 2].min())
    filled[ACROSS], filled[FLANKS] = strength * (inside & ~lower), strength * (inside & lower)
    return filled


def _in_triangle(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Whether each of `points` [N, 2] lies in the triangle of `corners` [3, 2]; none does if it has no area."""
    along, to = np.roll(corners, -1, 0) - corners, points[:, None] - corners
    sides = along[:, 0] * to[..., 1] - along[:, 1] * to[..., 0]  # their sum is twice the area, wherever the point is
    return ((sides >= 0).all(1) | (sides <= 0).all(1)) & (np.abs(sides.sum(1)) > 1e-3)


def _height(person: np.ndarray, size: tuple[int, int]) -> float:
    """Height in pixels of a person [17, 3]; the image's where nothing tells it, such as a single keypoint."""
    return (person_height(person) or 1.0) * size[0]


def _direction(points: np.ndarray, confidence: np.ndarray, first: int, second: int) -> np.ndarray:
    """Unit vector from one keypoint to another; 0 where one of them was not found."""
    along = (points[second] - points[first]) * (confidence[first] > 0) * (confidence[second] > 0)
    return along / max(float(np.hypot(*along)), 1e-6)


def _squared_distance(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Squared distances [C, N] of `points` [N, 2] from the segments `starts` to `ends` [C, 2]."""
    along_x, along_y = (ends - starts).T[..., None]
    length = np.maximum(along_x**2 + along_y**2, 1e-9)
    x, y = points.T[:, None] - starts.T[..., None]
    share = ((x * along_x + y * along_y) / length).clip(0, 1)
    return (x - share * along_x) ** 2 + (y - share * along_y) ** 2
