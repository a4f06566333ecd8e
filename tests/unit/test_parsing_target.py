"""Who of several people is the one that a crop was cut for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsing.target import person_height, target_index
from tests.labelling import skeleton


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
