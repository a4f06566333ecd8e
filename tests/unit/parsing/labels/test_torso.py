"""The torso between shoulders and hips, against a point-in-polygon loop, in every kind of labels and every scheme."""

import math

import numpy as np
import pytest

from parsing.conversion.limb_maps import draw_people
from parsing.labels import limbs
from parsing.labels.label_maps import MaskMaker
from parsing.schemes import part_scheme
from tests.labelling import SIZE, skeleton

LARGE, GRID = (128, 64), (17, 9)
FOUR = (5, 6, 12, 11)  # around the torso
CENTRES = np.array([[x, y] for y in np.arange(0.7, 128, 2.3) for x in np.arange(0.7, 64, 1.9)], np.float32)


def person(*, moved: dict[int, tuple[float, float]] | None = None, missing: tuple[int, ...] = ()) -> np.ndarray:
    """A person standing in the middle, some of whose keypoints are elsewhere or were not found."""
    found = skeleton(0.5)
    for joint, place in (moved or {}).items():
        found[joint, :2] = place
    found[list(missing)] = 0
    return found


def encloses(polygon: list[np.ndarray], x: float, y: float) -> bool:
    """Whether a ray from x, y to the right crosses an odd number of the polygon's sides."""
    crossed = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            crossed = not crossed
    return crossed


@pytest.mark.parametrize(
    ("person", "around"),
    [
        (person(), FOUR),
        (person(moved={11: (0.44, 0.5), 12: (0.56, 0.5)}), (5, 6, 11, 12)),  # hips exchanged
        (person(moved={5: (0.4, 0.2), 6: (0.6, 0.2), 11: (0.44, 0.5), 12: (0.56, 0.5)}), FOUR),  # seen from behind
        (person(moved={5: (0.1, 0.4), 6: (0.1, 0.5), 11: (0.9, 0.38), 12: (0.9, 0.47)}), FOUR),  # lying
        (person(moved={5: (0.5, 0.3)}), FOUR),  # one shoulder low
        (person(moved={5: (0.49, 0.45)}), (6, 12, 11)),  # one corner within the others
        (person(missing=(5,)), (6, 12, 11)),
        (person(missing=(12,)), (5, 6, 11)),
    ],
)
def test_it_is_what_shoulders_and_hips_enclose(person, around):
    person[6, 2], person[11, 2] = 0.64 * (person[6, 2] > 0), 0.49 * (person[11, 2] > 0)
    points = person[:, :2] * LARGE[::-1]
    least = min(person[joint, 2] for joint in FOUR if person[joint, 2] > 0)
    top, bottom = (np.mean([points[j] for j in pair if person[j, 2] > 0], 0) for pair in ((5, 6), (11, 12)))
    filled = limbs.trunk(person, CENTRES, LARGE)
    for place, (x, y) in enumerate(CENTRES):
        inside = encloses([points[joint] for joint in around], x, y)
        upper = math.dist((x, y), top) <= math.dist((x, y), bottom)
        expected = {24: inside and upper, 22: inside and not upper, 23: inside and not upper}
        for channel, there in expected.items():
            assert filled[channel, place] == pytest.approx(math.sqrt(least) * there, abs=1e-6)
    others = [channel for channel in range(36) if channel not in (22, 23, 24)]
    assert not filled[others].any()
    assert filled.any()


@pytest.mark.parametrize(
    "person",
    [
        person(missing=(5, 6)),
        person(missing=(5, 12)),
        person(missing=(11, 12)),
        person(moved=dict.fromkeys(FOUR, (0.5, 0.5))),
        person(moved={5: (0.1, 0.1), 6: (0.2, 0.2), 11: (0.3, 0.3), 12: (0.4, 0.4)}),
    ],
)
def test_two_corners_enclose_nothing(person):
    assert not limbs.trunk(person, CENTRES, SIZE).any()


def labels_of(maker: MaskMaker, maps: np.ndarray, person: np.ndarray) -> np.ndarray:
    return maker.labels(maker.confidences(maps, person))


@pytest.mark.parametrize("kind", ["gated", "limbs", "plain"])
def test_no_background_is_left_in_it(config, kind):
    trunk = {5: (0.8, 0.2), 6: (0.2, 0.2), 11: (0.75, 0.6), 12: (0.25, 0.6)}
    wide = person(moved=trunk | {7: (0.95, 0.4), 8: (0.05, 0.4), 9: (0.95, 0.6), 10: (0.05, 0.6)})
    drawn = draw_people(wide[None] * (*LARGE[::-1], 1), LARGE, LARGE)
    maker = MaskMaker(part_scheme(config.schemes["five"]), LARGE, 4, drawn.shape[1:], 0.5, kind)
    labels = labels_of(maker, drawn, wide)
    assert (labels[8:18, 5:11] == 3).all()
    if kind != "plain":  # of PifPaf's maps, not of drawn ones
        maker = MaskMaker(maker.scheme, LARGE, 8, GRID, 0.5, kind)
        assert (labels_of(maker, np.zeros((36, *GRID), np.uint8), wide)[8:18, 5:11] == 3).all()


def test_paper_s_labels_are_left_as_they_are(config):
    maker = MaskMaker(part_scheme(config.schemes["five"]), LARGE, 8, GRID, 0.5, "plain")
    assert not maker.confidences(np.zeros((36, *GRID), np.uint8), person()).any()


WHOSE = {  # above and below the middle; one name: both
    "two": "upper", "three": "torso", "four": "torso", "five": "torso", "five_v": "upper lower", "eight": "torso",
    "six_v_released": "upper_torso", "two_v_released": "upper", "four_released": "torso",
}  # fmt: skip


@pytest.mark.parametrize("name", WHOSE)
def test_a_scheme_s_maps_say_whose_it_is(config, name):
    maker = MaskMaker(part_scheme(config.schemes[name]), LARGE, 8, GRID, 0.5, "gated")
    labels = labels_of(maker, np.zeros((36, *GRID), np.uint8), person())
    names = (*maker.scheme.part_names, "background")
    upper, lower = WHOSE[name].split() * (2 // len(WHOSE[name].split()))
    assert [names[labels[row, column] - 1] for row in (8, 14) for column in (7, 8)] == [upper] * 2 + [lower] * 2


@pytest.mark.parametrize(("kind", "name"), [("gated", "eight"), ("gated", "five_v"), ("limbs", "eight")])
def test_in_the_mirror_it_is_the_mirror_s(config, kind, name):
    maker = MaskMaker(part_scheme(config.schemes[name]), LARGE, 8, GRID, 0.5, kind)
    aslant = person(moved={5: (0.7, 0.25), 12: (0.35, 0.55)})
    exchanged = aslant[[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]].copy()
    exchanged[:, 0] = (LARGE[1] - 1) / LARGE[1] - exchanged[:, 0]
    empty = np.zeros((36, *GRID), np.uint8)
    labels, mirrored = labels_of(maker, empty, aslant), labels_of(maker, empty, exchanged)
    np.testing.assert_array_equal(np.array(maker.scheme.mirrored)[labels[:, ::-1]], mirrored)


@pytest.mark.parametrize("kind", ["gated", "limbs"])
def test_a_single_keypoint_at_the_centre_of_a_cell(config, kind):
    maker = MaskMaker(part_scheme(config.schemes["five"]), LARGE, 8, GRID, 0.5, kind)
    lonely = np.zeros((17, 3), np.float32)
    lonely[0] = 29.5 / LARGE[1], 17.5 / LARGE[0], 1
    with np.errstate(all="raise", under="ignore"):
        assert labels_of(maker, np.full((36, *GRID), 255, np.uint8), lonely)[4, 7] == 1
