"""Distances from a skeleton's limbs, against dense points along each of them."""

import math

import numpy as np
import pytest

from parsing.labels import limbs
from parsing.labels.target import person_height
from parsing.schemes import CONNECTIONS
from tests.labelling import SIZE, skeleton

TORSO = (21, 22, 23, 24)
ARMS = (7, 8, 9, 10, 25, 26, 27, 28)
CENTRES = np.array([[4 * column + 1.5, 4 * row + 1.5] for row in range(16) for column in range(8)], np.float32)
PLACES = (0, 28, 67, 127)  # rows of CENTRES


def ends(person: np.ndarray, channel: int) -> tuple[np.ndarray, np.ndarray]:
    points = person[:, :2] * SIZE[::-1]
    first, second = (channel, channel) if channel < 17 else CONNECTIONS[channel - 17]
    return points[first], points[second]


def nearest(start: np.ndarray, end: np.ndarray, centre: np.ndarray) -> float:
    return min(float(np.linalg.norm(centre - start - share * (end - start))) for share in np.linspace(0, 1, 2001))


@pytest.mark.parametrize(("channel", "reach"), [(0, 0.07), (9, 0.045), (17, 0.07), (22, 0.12), (27, 0.045)])
def test_nearness_is_a_bell_around_each_limb(channel, reach):
    person = skeleton(0.5)
    near, height = limbs.near(person, CENTRES, SIZE), person_height(person) * SIZE[0]
    for place in PLACES:
        distance = nearest(*ends(person, channel), CENTRES[place])
        assert near[channel, place] == pytest.approx(math.exp(-(distance**2) / (2 * (reach * height) ** 2)), abs=2e-4)


@pytest.mark.parametrize(("channel", "radius"), [(0, 0.04), (5, 0.035), (17, 0.04), (18, 0.055), (24, 0.07)])
def test_a_limb_is_drawn_as_a_capsule_weighted_by_its_lesser_confidence(channel, radius):
    person = skeleton(0.5)
    person[::2, 2] = 0.6
    height, weight = person_height(person) * SIZE[0], 0.6 if channel in (0, 24) else 0.9
    drawn = limbs.drawn(person, CENTRES, SIZE)
    for place in PLACES:
        distance = nearest(*ends(person, channel), CENTRES[place])
        expected = math.sqrt(weight) * 2 ** (-((distance / (radius * height)) ** 2))
        assert drawn[channel, place] == pytest.approx(expected, abs=2e-4)


def test_on_its_edge_a_sure_limb_reaches_one_half():
    person = skeleton(0.5, confidence=1.0)
    height = person_height(person) * SIZE[0]
    start, end = ends(person, 18)
    across = np.array([-(end - start)[1], (end - start)[0]]) / np.linalg.norm(end - start)
    edge = (start + end) / 2 + limbs.RADIUS[18] * height * across
    assert limbs.drawn(person, edge[None].astype(np.float32), SIZE)[18, 0] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("tip", "before", "share"), [(9, 7, 0.05), (10, 8, 0.05), (15, 13, 0.04), (16, 14, 0.04)])
def test_hands_and_feet_go_on_in_the_direction_of_their_limb(tip, before, share):
    person = skeleton(0.5, confidence=1.0)
    points, height = person[:, :2] * SIZE[::-1], person_height(person) * SIZE[0]
    along = (points[tip] - points[before]) / np.linalg.norm(points[tip] - points[before])
    middle = (points[tip] + share * height * along)[None].astype(np.float32)
    assert limbs.drawn(person, middle, SIZE)[tip, 0] == pytest.approx(1)
    person[before] = 0  # nobody knows where to
    assert limbs.drawn(person, middle, SIZE)[tip, 0] < 0.6
    assert limbs.drawn(person, points[[tip]].astype(np.float32), SIZE)[tip, 0] == 1


def test_what_was_not_found_is_not_drawn_and_may_be_near_any_limb_that_was():
    whole, person = skeleton(0.5), skeleton(0.5)
    person[9] = 0  # left wrist, and with it the connection from the elbow
    assert np.flatnonzero(~limbs.found(person)).tolist() == [9, 27]
    assert not limbs.drawn(person, CENTRES, SIZE)[[9, 27]].any()
    all_near, near = limbs.near(whole, CENTRES, SIZE), limbs.near(person, CENTRES, SIZE)
    others = [channel for channel in range(36) if channel not in (9, 27)]
    np.testing.assert_array_equal(near[others], all_near[others])
    np.testing.assert_array_equal(near[9], near[27])
    with np.errstate(divide="ignore"):
        wide = [
            np.log(near[c]) * (0.045 if c in ARMS else 0.12 if c in (21, 22, 23, 24) else 0.07) ** 2 for c in others
        ]
        np.testing.assert_allclose(np.log(near[9]) * 0.3**2, np.max(wide, 0), atol=1e-4)
