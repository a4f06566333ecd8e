"""Who of several people is the one that a crop was cut for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsing.labels.skeletons import person_height
from parsing.labels.target import POLICIES, nearest, passers_by, pick, silhouette_of
from tests.labelling import skeleton

NOBODY = np.zeros((17, 3), np.float32)


def target_index(skeletons: np.ndarray) -> int | None:
    return pick(skeletons, "head").person


def shifted(person: np.ndarray, x: float = 0, y: float = 0, scale: float = 1) -> np.ndarray:
    """A person moved by shares of the image, and made smaller around the middle of the image."""
    moved = person.copy()
    moved[:, :2] = (moved[:, :2] - 0.5) * scale + 0.5 + (x, y)
    return moved.astype(np.float32)


def test_the_person_in_the_middle_wins_over_a_surer_one_at_the_side():
    assert target_index(np.stack([skeleton(0.95, 1.0), skeleton(0.5, 0.7)])) == 1


def test_a_stray_fragment_in_the_middle_does_not_win():
    fragment = np.zeros((17, 3), np.float32)
    fragment[[0, 1]] = (0.5, 0.4, 0.3)
    assert target_index(np.stack([fragment, skeleton(0.6)])) == 1


def test_nobody():
    assert target_index(np.zeros((4, 17, 3), np.float32)) is None
    assert target_index(np.zeros((0, 17, 3), np.float32)) is None


def test_a_head_at_the_top_wins_over_a_lower_one_in_the_middle():
    lower = skeleton(0.5)
    lower[:, 1] += 0.25
    assert target_index(np.stack([lower, skeleton(0.6)])) == 1


def test_without_faces_shoulders_tell_and_without_heads_the_middle():
    faceless = [skeleton(0.9), skeleton(0.5)]
    for person in faceless:
        person[:5] = 0
    assert target_index(np.stack(faceless)) == 1
    assert target_index(np.stack([skeleton(0.95), faceless[0]])) == 1
    for person in faceless:
        person[5:7] = 0
    assert target_index(np.stack(faceless)) == 1
    assert target_index(np.stack([faceless[1], skeleton(0.9)])) == 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4, unique_by=lambda tenth: abs(tenth - 5)), st.randoms())
def test_empty_rows_and_order_do_not_matter(tenths, random):
    people = [skeleton(tenth / 10) for tenth in tenths] + [np.zeros((17, 3), np.float32)] * 2
    random.shuffle(people)
    picked = people[target_index(np.stack(people))]
    assert picked[0, 0] == pytest.approx(min(tenths, key=lambda tenth: abs(tenth - 5)) / 10)


def test_a_height_does_not_shrink_with_hidden_legs():
    whole, hidden = skeleton(0.5), skeleton(0.5)
    hidden[13:] = 0
    assert person_height(whole) == pytest.approx(0.81, abs=0.3)
    assert person_height(hidden) == pytest.approx(person_height(whole), rel=0.35)
    assert person_height(np.zeros((17, 3), np.float32)) == 0


def test_each_policy_picks_by_its_own_measure():
    high = shifted(skeleton(0.5, 0.5), x=0.25, y=-0.1, scale=0.5)  # its head at (0.75, 0.2)
    low = shifted(skeleton(0.5, 0.6), y=0.05, scale=0.6)  # in the middle, its head at (0.5, 0.31)
    large = shifted(skeleton(0.5, 0.4), x=0.35, y=0.25)
    sure = shifted(skeleton(0.5, 0.9), x=-0.45, y=0.15, scale=0.6)
    people = np.stack([large, low, high, sure])
    picked = {policy: pick(people, policy).person for policy in POLICIES}
    assert picked["central"] == 1
    assert picked["largest"] == 0
    assert picked["score"] == 3
    by_hand = [np.hypot(x - 0.5, 2 * (y - 0.1)) for x, y in (person[:5, :2].mean(0) for person in people)]
    assert picked["head"] == np.argmin(by_hand)


@pytest.mark.parametrize("policy", POLICIES)
def test_ambiguity_is_one_for_equals_and_nothing_for_one_alone(policy):
    assert pick(np.stack([skeleton(0.4), skeleton(0.4)]), policy).ambiguity == 1
    assert pick(np.stack([skeleton(0.4), NOBODY]), policy) == (0, 0)
    assert pick(np.stack([NOBODY, NOBODY]), policy) == (None, 0)


def test_ambiguity_halves_with_every_tenth():
    for shift in (0.1, 0.2, 0.3):
        people = np.stack([skeleton(0.5 + shift), skeleton(0.5)])
        assert pick(people, "head").ambiguity == pytest.approx(2 ** (-10 * shift), rel=0.1)
    halved = np.stack([skeleton(0.5, 0.8), skeleton(0.5, 0.8 * np.exp(-0.1))])
    assert pick(halved, "score").ambiguity == pytest.approx(0.5, abs=1e-3)
    smaller = np.stack([skeleton(0.5), shifted(skeleton(0.5), scale=float(np.exp(-0.2)))])
    assert pick(smaller, "largest").ambiguity == pytest.approx(0.25, abs=1e-3)


@given(st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.sampled_from(POLICIES))
def test_ambiguity_does_not_depend_on_the_order(first, second, policy):
    people = np.stack([skeleton(first), skeleton(second, 0.7), NOBODY])
    assert pick(people, policy).ambiguity == pick(people[::-1], policy).ambiguity
    assert 0 <= pick(people, policy).ambiguity <= 1


def test_a_point_names_the_person_beside_it():
    people = np.stack([skeleton(0.3), skeleton(0.7), NOBODY, NOBODY])
    assert nearest(people, (70, 20), (100, 200)) == 1  # pixels
    assert nearest(people, (25, 190), (100, 200)) == 0
    assert nearest(np.stack([NOBODY] * 4), (1, 1), (100, 200)) is None


def test_passers_by_are_all_but_the_target_and_fragments():
    fragment = NOBODY.copy()
    fragment[0] = (0.5, 0.1, 0.3)
    people = np.stack([skeleton(0.5), skeleton(0.9), fragment, NOBODY])
    np.testing.assert_array_equal(passers_by(people, 0), people[1:2])
    np.testing.assert_array_equal(passers_by(people, None), people[:2])


def test_the_silhouette_of_the_target_covers_its_keypoints():
    left, right = np.zeros((2, 64, 32), np.uint8)
    left[:, 2:16], right[:, 16:31] = 200, 255
    found = np.stack([left, right, *np.zeros((2, 64, 32), np.uint8)])
    np.testing.assert_allclose(silhouette_of(skeleton(0.25), found), left / 255, atol=1e-6)
    np.testing.assert_allclose(silhouette_of(skeleton(0.75), found), right / 255, atol=1e-6)
    np.testing.assert_allclose(silhouette_of(None, found), right / 255, atol=1e-6)
    upper = found * (np.arange(64) < 20)[:, None].astype(np.uint8)
    assert silhouette_of(skeleton(0.75), upper) is None  # covers a third of the keypoints
    assert silhouette_of(skeleton(0.5), found * 0) is None
    assert silhouette_of(skeleton(0.5), None) is None
