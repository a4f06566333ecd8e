"""Boxes as a detector cuts them: by how much people move and grow in them, in the truth too, and how often."""

from itertools import product

import numpy as np
import pytest

from reid.config.domain import Domain
from reid.synthetic.boxes import recut
from reid.synthetic.dataset import Shot
from tests.unit.reid.synthetic.test_domain import drawn

WIDTH, HEIGHT = 64, 128
SCALE, FOOT = 70.0, (30.0, 124.0)  # of a person of 1.7 m in the plain box
WHOLE = [Shot("train", identity, 1, 10 + identity, whole=True) for identity in range(1, 9)]  # nothing in front


def boxes(count: int, whole: bool = False, **keys) -> tuple[np.ndarray, np.ndarray]:
    """Of so many boxes: the factor on the person's size, and the feet (x, y) as a share of the box's sides."""
    rng = np.random.default_rng(0)
    cut = [recut(Domain(**keys), (WIDTH, HEIGHT), SCALE, FOOT, whole, rng) for _ in range(count)]
    return np.array([scale / SCALE for scale, _ in cut]), np.array([foot for _, foot in cut]) / (WIDTH, HEIGHT)


def moved(**keys) -> list[tuple[float, np.ndarray]]:
    """The factor, and the shift in pixels, that take keypoints of the plain images to those of badly cut boxes.

    The truth of parts must have gone the same way.
    """
    found = []
    for (_, plain), (_, cut) in zip(drawn(WHOLE), drawn(WHOLE, **keys), strict=True):
        before, after = (truth.keypoints[0, :, :2] for truth in (plain, cut))
        centred = before - before.mean(0)
        factor = float((centred * (after - after.mean(0))).sum() / (centred**2).sum())
        shift = after.mean(0) - factor * before.mean(0)
        np.testing.assert_allclose(after, factor * before + shift, atol=1e-3)
        assert_parts_follow(plain.parts, cut.parts, factor, shift)
        found.append((factor, shift))
    return found


def assert_parts_follow(before: np.ndarray, after: np.ndarray, factor: float, shift: np.ndarray) -> None:
    same = []
    for row, column in product(range(0, HEIGHT, 3), range(0, WIDTH, 2)):
        y, x = np.round((np.array([row, column]) - shift[::-1]) / factor).astype(int)
        if 1 <= y < HEIGHT - 1 and 1 <= x < WIDTH - 1 and np.ptp(before[y - 1 : y + 2, x - 1 : x + 2]) == 0:
            same.append(after[row, column] == before[y, x])  # within a part, not at its edge
    assert len(same) > 300
    assert np.mean(same) > 0.99


def test_shifted_boxes_move_keypoints_and_parts_alike():
    factors, shifts = zip(*moved(box_shift=0.2), strict=True)
    np.testing.assert_allclose(factors, 1, atol=1e-5)
    shares = np.array(shifts) / (WIDTH, HEIGHT)
    assert (np.abs(shares) <= 0.2 + 1e-6).all()
    assert (np.abs(shares).max(0) > 0.1).all()


def test_shifts_are_normal_within_their_share_and_each_side_for_itself():
    factors, feet = boxes(2000, box_shift=0.2)
    shifts = feet - np.array(FOOT) / (WIDTH, HEIGHT)
    assert set(factors) == {1.0}
    np.testing.assert_allclose((shifts.min(0), shifts.max(0)), [[-0.2] * 2, [0.2] * 2], atol=1e-9)
    np.testing.assert_allclose((np.abs(shifts) < 0.1).mean(0), 0.683, atol=0.04)  # within a deviation of half
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.08


def test_boxes_that_are_too_large_hold_all_of_a_smaller_person():
    found = moved(box_enlarged=1.0)
    assert all(0.62 <= factor <= 0.85 for factor, _ in found)
    factors, feet = boxes(600, box_enlarged=0.3)
    large = factors < 1
    assert large.mean() == pytest.approx(0.3, abs=0.06)
    assert set(factors[~large]) == {1.0}
    np.testing.assert_allclose((factors[large].min(), factors[large].max()), (0.62, 0.85), atol=0.02)
    assert boxes(600, whole=True, box_enlarged=0.3)[0].min() < 1  # of queries too
    raised = (FOOT[1] / HEIGHT - feet[large, 1]) / (1 - factors[large])  # of the room above a smaller person
    np.testing.assert_allclose((raised.min(), raised.max()), (0, 1), atol=0.05)
    np.testing.assert_allclose(feet[:, 0], FOOT[0] / WIDTH)


def test_half_bodies_keep_the_head_where_it_is_and_end_between_knees_and_hips():
    for factor, shift in moved(half_bodies=1.0):
        assert 1.45 <= factor <= 1.9
        assert factor * 0.05 * HEIGHT + shift[1] == pytest.approx(0.05 * HEIGHT, abs=0.01)
    factors, feet = boxes(600, half_bodies=0.3)
    half = factors > 1
    assert half.mean() == pytest.approx(0.3, abs=0.06)
    np.testing.assert_allclose((factors[half].min(), factors[half].max()), (1.45, 1.9), atol=0.03)
    ends = (feet[half, 1] - 1) * HEIGHT / (factors[half] * SCALE * 1.7)  # shares of the person's height
    knee, hip = 0.45 * 0.6, 0.53  # people.draw_pose: hips at 0.93 of 1.75 metres, knees half-way
    assert ((ends > knee) & (ends < hip)).all()
    assert set(boxes(600, whole=True, half_bodies=0.3)[0]) == {1.0}
