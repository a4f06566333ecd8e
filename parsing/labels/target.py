"""Which of the people found in a crop is the one that the crop was cut for, and how sure that is.

A policy gives every person a cost; the least is the target. With d the distance of two points in widths of an upright
crop, so that y counts twice:

    head      d(head, top centre)        a crop is cut around its target, so the heads of passers-by are lower or aside
    central   d(middle of the body's box, middle of the image)
    largest   -ln(height)
    score     -ln(evidence Σ c)

docs/labels.md has what each is worth (`benchmarks/targets.py`). Fragments of people do not count (see `skeletons`).
"""

from typing import NamedTuple, get_args

import numpy as np

from parsing.config import TargetPolicy
from parsing.labels.skeletons import body_box, counted, evidence, head_position, person_height

POLICIES = get_args(TargetPolicy)
TOP_CENTRE, MIDDLE = (0.5, 0.1), (0.5, 0.5)  # x / width, y / height
UPRIGHT = 2.0  # height / width of a crop of a person
HEADLESS = 10.0  # cost that puts those without a head after all who have one
MARGIN = 0.1  # a tenth: of the width, of the height, of the evidence
INSIDE = 0.5  # share of the target's keypoints that its silhouette covers


class Target(NamedTuple):
    """The row of the target's skeleton, None if no person was found; and how nearly another was picked instead.

    `ambiguity` is 2^(-m / MARGIN), with m how much more the second best costs: 1 where two fit alike, 1/2 where they
    are a tenth apart, 0 where no other person was found.
    """

    person: int | None
    ambiguity: float = 0.0


def pick(skeletons: np.ndarray, policy: TargetPolicy) -> Target:
    """The target among `skeletons` [S, 17, 3] (all 0 = no person): the least cost, of equals the first."""
    costs = np.full(len(skeletons), np.inf)
    for row in np.flatnonzero(counted(skeletons)):
        costs[row] = _cost(skeletons[row], policy)
    if not np.isfinite(costs).any():
        return Target(None)
    best, second = np.sort([*costs, np.inf])[:2]
    return Target(int(costs.argmin()), float(2 ** (-(second - best) / MARGIN)))


def nearest(skeletons: np.ndarray, point: tuple[float, float], size: tuple[int, int]) -> int | None:
    """Row of the person with the keypoint nearest to `point` x, y in pixels of an image of `size` (width, height)."""
    away = np.hypot(*np.moveaxis(skeletons[..., :2] * size - point, -1, 0))
    away[skeletons[..., 2] <= 0] = np.inf
    return int(away.min(1).argmin()) if np.isfinite(away).any() else None


def passers_by(skeletons: np.ndarray, target: int | None) -> np.ndarray:
    """The other people found [O, 17, 3]."""
    others = counted(skeletons)
    if target is not None:
        others[target] = False
    return skeletons[others]


def silhouette_of(person: np.ndarray | None, found: np.ndarray | None) -> np.ndarray | None:
    """The silhouette [h, w] in 0..1 of the target, a skeleton [17, 3] or None, among those `found` [4, h, w].

    It is the one that covers most of the skeleton's keypoints, or, where no skeleton was found, most of the image. None
    if there is none, or if none covers half of the keypoints.
    """
    if found is None or not found.any():
        return None
    shares = found / np.float32(255)
    if person is None:
        return shares[shares.mean((1, 2)).argmax()]
    limits = np.array(found.shape[:0:-1])
    columns, rows = (person[person[:, 2] > 0, :2] * limits).astype(int).clip(0, limits - 1).T
    inside = shares[:, rows, columns].mean(1)
    return shares[inside.argmax()] if inside.max() >= INSIDE else None


def _cost(person: np.ndarray, policy: TargetPolicy) -> float:
    if policy == "largest":
        return -float(np.log(max(person_height(person), 1e-6)))
    if policy == "score":
        return -float(np.log(evidence(person)))
    middle = body_box(person).mean(0)
    if policy == "central":
        return _distance(middle, MIDDLE)
    head = head_position(person)
    return HEADLESS + abs(middle[0] - 0.5) if head is None else _distance(head, TOP_CENTRE)


def _distance(point: np.ndarray, other: tuple[float, float]) -> float:
    return float(np.hypot(point[0] - other[0], UPRIGHT * (point[1] - other[1])))
