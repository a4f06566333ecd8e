"""Maps -> labels, against a loop over cells and torch's own interpolation."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parsing.config import Scheme
from parsing.labels import limbs
from parsing.labels.label_maps import MaskMaker
from parsing.schemes import UNKNOWN, part_scheme
from tests.labelling import FIVE, GRID, SIZE, skeleton

SCHEME = part_scheme(Scheme.model_validate_json(json.dumps(FIVE)))


def maker(threshold: float = 0.5, size: tuple = SIZE, grid: tuple = GRID, kind: str = "plain") -> MaskMaker:
    return MaskMaker(SCHEME, size, 8, grid, threshold, kind)


def random_maps(seed: int, grid: tuple[int, int] = GRID) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (36, *grid), np.uint8)


def read_at(picture: np.ndarray, y: float, x: float) -> float:
    """Bilinear value of `picture` at (y, x), in cells."""
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if row < picture.shape[0] and column < picture.shape[1]:
            total += max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column)) * float(picture[row, column])
    return total


def test_confidences_are_the_largest_map_of_each_part_at_the_centre_of_each_block():
    maps, made = random_maps(1), maker()
    ours = made.confidences(maps)
    assert ours.shape == (5, 16, 8)
    for part, channels in enumerate(SCHEME.channels):
        for row in range(16):
            for column in range(8):
                y, x = (4 * row + 1.5) / 8, (4 * column + 1.5) / 8  # 64 x 32 is padded at its far edges only
                expected = max(read_at(maps[channel], y, x) for channel in channels)
                assert abs(int(ours[part, row, column]) - expected) <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [(64, 32), (66, 30), (256, 128), (192, 96)])
def test_maps_are_read_where_torch_reads_them_with_aligned_corners(size):
    padded = [length + -(length - 1) % 16 for length in size]
    grid = tuple((length - 1) // 8 + 1 for length in padded)
    maps = random_maps(2, grid)
    wanted = [
        2 * (4 * torch.arange(length // 4).double() + 1.5 + (whole - length) // 2) / (whole - 1) - 1
        for length, whole in zip(size, padded, strict=True)
    ]  # centres of the 4 x 4 blocks of the image within the padded one, -1..1
    rows, columns = torch.meshgrid(*wanted, indexing="ij")
    where = torch.stack([columns, rows], -1)[None]
    fine = torch.nn.functional.grid_sample(torch.from_numpy(maps)[None].double(), where, align_corners=True)[0].numpy()
    expected = np.stack([fine[list(channels)].max(0) for channels in SCHEME.channels])
    assert np.abs(maker(size=size, grid=grid).confidences(maps) - expected).max() <= 0.5 + 1e-3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.01, 0.99))
def test_labels_follow_their_definition(seed, threshold):
    confidences = np.random.default_rng(seed).integers(0, 256, (5, 16, 8), np.uint8)
    labels = maker(threshold).labels(confidences)
    for row in range(16):
        for column in range(8):
            cell = confidences[:, row, column].tolist()
            best = max(cell)
            expected = cell.index(best) + 1 if best / 255 >= threshold else 0
            assert labels[row, column] == expected


def test_nothing_above_the_threshold_is_unknown_and_not_background():
    quiet = np.full((5, 16, 8), 127, np.uint8)
    assert (maker(0.5).labels(quiet) == UNKNOWN).all()
    quiet[3, 2, 2] = 128
    labels = maker(0.5).labels(quiet)
    assert labels[2, 2] == 4
    assert (labels == 0).sum() == labels.size - 1


def test_gated_labels_leave_a_passer_by_out():
    maps, gated = np.full((36, *GRID), 255, np.uint8), maker(kind="gated")
    one = gated.labels(gated.confidences(maps, skeleton(0.3)))
    assert (one[:, 6:] == 0).all()
    assert (one[:, :5] > 0).any()
    assert (maker().labels(maker().confidences(maps, skeleton(0.3))) > 0).all()


@pytest.mark.parametrize("kind", ["gated", "limbs"])
def test_without_a_skeleton_all_labels_are_the_plain_ones(kind):
    maps = random_maps(3)
    np.testing.assert_array_equal(maker(kind=kind).confidences(maps), maker().confidences(maps))


def test_limbs_take_the_place_of_the_maps_where_they_were_found():
    person, drawn, gated = skeleton(0.5), maker(kind="limbs"), maker(kind="gated")
    np.testing.assert_array_equal(drawn.confidences(random_maps(1), person), drawn.confidences(random_maps(2), person))
    person[[15, 16]] = 0  # ankles, so that nothing of the feet was found
    ours, theirs = (made.confidences(random_maps(1), person) for made in (drawn, gated))
    np.testing.assert_array_equal(ours[4], theirs[4])
    assert (ours[:4] != theirs[:4]).any((1, 2)).all()


def test_limbs_are_drawn_over_all_the_body_without_any_map():
    made = maker(kind="limbs", size=(256, 128), grid=(33, 17))
    labels = made.labels(made.confidences(np.zeros((36, 33, 17), np.uint8), skeleton(0.5)))
    middles = [(6, 16), (18, 11), (16, 16), (42, 18), (60, 18)]
    assert [labels[place] for place in middles] == [1, 2, 3, 4, 5]
    assert labels[30, 2] == 0


@pytest.mark.parametrize("kind", ["gated", "limbs"])
def test_what_lies_on_a_passer_by_is_taken_from_the_target_by_the_formula(kind):
    made, target, other = maker(kind=kind), skeleton(0.35), skeleton(0.6)
    maps = np.full((36, *GRID), 255, np.uint8)
    alone = made.confidences(maps, target).astype(float)
    ours = made.confidences(maps, target, np.stack([other, skeleton(0.95)]))
    for row in range(16):
        for column in range(8):
            centre = np.array([[4 * column + 1.5, 4 * row + 1.5]], np.float32)
            target_here, *others_here = (
                limbs.drawn(person, centre, SIZE).max() for person in (target, other, skeleton(0.95))
            )
            own = min(1, (target_here + 0.05) / (max(others_here) + 0.05))
            assert np.abs(ours[:, row, column] - alone[:, row, column] * own).max() <= 1
    assert ours[:, 3:, 5].sum() < 0.7 * alone[:, 3:, 5].sum()


def test_plain_labels_know_no_people():
    maps, others = random_maps(4), np.stack([skeleton(0.6)])
    np.testing.assert_array_equal(maker().confidences(maps, skeleton(0.3), others), maker().confidences(maps))


@pytest.mark.parametrize("kind", ["plain", "gated", "limbs"])
def test_nothing_is_left_outside_of_a_silhouette(kind):
    silhouette = np.zeros((16, 8), np.float32)
    silhouette[4:8, 2:5] = 0.5
    made, maps = maker(kind=kind), random_maps(5)
    whole = made.confidences(maps, skeleton(0.4)).astype(float)
    cut = made.confidences(maps, skeleton(0.4), silhouette=silhouette)
    assert np.abs(cut - whole * silhouette).max() <= 1
