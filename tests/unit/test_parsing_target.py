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


@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.1, 1)), min_size=1, max_size=4, unique=True))
def test_empty_rows_and_order_do_not_matter(people):
    rows = [skeleton(x, confidence) for x, confidence in people]
    picked = rows[target_index(np.stack(rows))]
    padded = np.stack([np.zeros((17, 3), np.float32), *reversed(rows), np.zeros((17, 3), np.float32)])
    again = padded[target_index(padded)]
    worth = [person[:, 2].sum() * np.exp(-((person[:, 0].mean() - 0.5) ** 2) / 0.045) for person in (picked, again)]
    assert worth[0] == pytest.approx(worth[1], rel=1e-3)


def test_a_height_does_not_shrink_with_hidden_legs():
    whole, hidden = skeleton(0.5), skeleton(0.5)
    hidden[13:] = 0
    assert person_height(whole) == pytest.approx(0.81, abs=0.3)
    assert person_height(hidden) == pytest.approx(person_height(whole), rel=0.35)
    assert person_height(np.zeros((17, 3), np.float32)) == 0
