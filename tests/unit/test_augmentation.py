"""Augmentation: image and label map move as one, and the random choices are the paper's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid.config import Augmentation
from reid.data.augmentation import (
    BACKGROUND,
    MEAN_COLOUR,
    UNKNOWN,
    Box,
    Placement,
    draw_erased_box,
    draw_placement,
    place_confidences,
    place_image,
    place_labels,
    source_cells,
)

SIZE, GRID = (64, 32), (16, 8)  # of images, and of their label maps, in most tests
MIRRORED = [0, 2, 1, 3]  # labels 1 and 2 are left and right
AS_IT_IS = Placement(False, 0, 0, None)


def placed_image(image, placement):
    out = np.zeros_like(image)
    place_image(image, placement, out)
    return out


def picture_and_labels(seed):
    """A label map [16, 8], and the picture [64, 32, 3] whose pixels have the colour of the nearest cell's label."""
    labels = np.random.default_rng(seed).integers(0, 4, GRID, dtype=np.uint8)
    rows, columns = (np.rint(np.arange(length) / 4).astype(int).clip(max=length // 4 - 1) for length in SIZE)
    return np.repeat((labels[rows[:, None], columns] * 50 + 60)[..., None], 3, 2), labels


placements = st.builds(
    Placement,
    flipped=st.booleans(),
    down=st.integers(-8, 8),
    right=st.integers(-8, 8),
    erased=st.none() | st.builds(Box, st.integers(0, 30), st.integers(0, 15), st.integers(1, 34), st.integers(1, 17)),
)


@given(placements, st.integers(0, 1000))
def test_labels_follow_their_image(placement, seed):
    """Every cell of the placed map lies on a pixel with the colour of its label, or on one that is hidden."""
    picture, labels = picture_and_labels(seed)
    under = placed_image(picture, placement)[::4, ::4]
    placed = place_labels(labels, source_cells(SIZE, GRID, placement), placement.flipped, list(range(4)))
    hidden = (under == 0).all(-1) | (under == MEAN_COLOUR).all(-1)
    assert np.array_equal(placed[~hidden] * 50 + 60, under[~hidden][:, 0])
    assert (placed[hidden] == BACKGROUND).all()


@given(placements, st.integers(0, 1000))
def test_placed_labels_agree_with_a_loop(placement, seed):
    labels = np.random.default_rng(seed).integers(0, 4, GRID, dtype=np.uint8)
    placed = place_labels(labels, source_cells(SIZE, GRID, placement), placement.flipped, MIRRORED)
    expected = np.zeros(GRID, np.uint8)
    for i in range(GRID[0]):
        for j in range(GRID[1]):
            y, x = 4 * i + placement.down, 4 * j + placement.right
            x = SIZE[1] - 1 - x if placement.flipped else x
            box = placement.erased
            erased = box and box.top <= 4 * i < box.top + box.height and box.left <= 4 * j < box.left + box.width
            if erased or not (0 <= y < SIZE[0] and 0 <= x < SIZE[1]):
                continue
            label = labels[min(round(y / 4), GRID[0] - 1), min(round(x / 4), GRID[1] - 1)]
            expected[i, j] = MIRRORED[label] if placement.flipped else label
    assert np.array_equal(placed, expected)


def test_without_augmentation_nothing_changes():
    picture, labels = picture_and_labels(0)
    assert np.array_equal(placed_image(picture, AS_IT_IS), picture)
    assert np.array_equal(place_labels(labels, source_cells(SIZE, GRID, AS_IT_IS), False, MIRRORED), labels)


@given(st.integers(-9, 9), st.integers(-9, 9), st.booleans())
def test_crop_and_flip_are_those_of_the_padded_image(down, right, flipped):
    image = np.random.default_rng(0).integers(1, 255, (*SIZE, 3), dtype=np.uint8)
    turned = image[:, ::-1] if flipped else image
    padded = np.pad(turned, ((9, 9), (9, 9), (0, 0)))
    expected = padded[9 + down : 9 + down + SIZE[0], 9 + right : 9 + right + SIZE[1]]
    assert np.array_equal(placed_image(image, Placement(flipped, down, right, None)), expected)


def test_a_flip_exchanges_left_and_right():
    labels = np.zeros(GRID, np.uint8)
    labels[4:8, :3], labels[4:8, 6:], labels[10, 4] = 1, 2, 3
    placed = place_labels(labels, source_cells(SIZE, GRID, Placement(True, 0, 0, None)), True, MIRRORED)
    assert set(np.unique(placed[:, :2])) == {0, 1}
    assert set(np.unique(placed[:, 7:])) == {0, 2}
    assert (placed == 3).any()


def test_unknown_maps_stay_unknown():
    labels = np.full(GRID, UNKNOWN, np.uint8)
    placement = Placement(True, 7, -7, Box(0, 0, 30, 20))
    assert (place_labels(labels, source_cells(SIZE, GRID, placement), True, MIRRORED) == UNKNOWN).all()


@given(placements, st.integers(0, 1000))
def test_confidences_move_like_labels(placement, seed):
    labels = np.random.default_rng(seed).integers(0, 4, GRID, dtype=np.uint8)
    one_hot = np.stack([255 * (labels == label) for label in (1, 2, 3)]).astype(np.uint8)
    cells = source_cells(SIZE, GRID, placement)
    placed = place_labels(labels, cells, placement.flipped, MIRRORED)
    moved = place_confidences(one_hot, cells, placement.flipped, MIRRORED)
    assert np.array_equal(moved, np.stack([255 * (placed == label) for label in (1, 2, 3)]))


@pytest.mark.parametrize("size", [(256, 128), (384, 128), (128, 64), (96, 48)])
def test_labels_of_one_grid_serve_images_of_any_size(size):
    cells = source_cells(size, (64, 32), AS_IT_IS)
    assert cells.hidden == []
    assert (len(cells.rows), len(cells.columns)) == (size[0] // 4, size[1] // 4)
    positions = (np.arange(0, size[0], 4) + 0.5) / size[0]  # of each cell, as a share of the height
    sources = (4 * cells.rows[:, 0] + 0.5) / 256
    assert np.abs(positions - sources).max() <= 2.5 / 256
    assert (np.diff(cells.rows[:, 0]) >= 0).all()


@given(st.integers(0, 10**6))
def test_the_erased_box_is_that_of_zhong_et_al(seed):
    box = draw_erased_box((256, 128), np.random.default_rng(seed))
    assert box.top >= 0
    assert box.left >= 0
    assert box.top + box.height <= 256
    assert box.left + box.width <= 128
    assert 0.018 < box.height * box.width / (256 * 128) < 0.41
    assert 0.28 < box.height / box.width < 3.5


def test_probabilities_are_kept():
    rng, wanted = np.random.default_rng(0), Augmentation(padding=10, flip=0.3, erasing=0.5)
    drawn = [draw_placement((256, 128), wanted, rng) for _ in range(3000)]
    assert np.mean([one.flipped for one in drawn]) == pytest.approx(0.3, abs=0.03)
    assert np.mean([one.erased is not None for one in drawn]) == pytest.approx(0.5, abs=0.03)
    shifts = np.array([(one.down, one.right) for one in drawn])
    assert set(np.unique(shifts)) == set(range(-10, 11))
    assert np.abs(shifts.mean(0)).max() < 0.5
