"""Augmentation: image and label map move as one, and the random choices are the paper's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artefacts.imagenet import IMAGENET_COLOUR
from parsing.schemes import BACKGROUND, UNKNOWN
from reid.config.root import Augmentation
from reid.data.augmentation import (
    AugmentParams,
    Box,
    apply_to_confidences,
    apply_to_image,
    apply_to_labels,
    draw_erased_box,
    sample_augmentation,
    source_cells,
)

SIZE, GRID = (64, 32), (16, 8)  # of images, and of their label maps, in most tests
MIRRORED = [0, 2, 1, 3]  # labels 1 and 2 are left and right
AS_IT_IS, FLIP = AugmentParams(False, 0, 0, None), AugmentParams(True, 0, 0, None)
SIZES = [
    ((256, 128), (64, 32)), ((128, 64), (32, 16)), ((384, 128), (96, 32)),  # maps of the very image
    ((128, 64), (64, 32)), ((384, 128), (64, 32)), ((256, 128), (32, 16)),  # and of another size of it
]  # fmt: skip


def placed_image(image, placement):
    out = np.zeros_like(image)
    apply_to_image(image, placement, out)
    return out


def enlarged(labels, size):
    """The label map at the pixels of its image: each cell fills its block."""
    return labels.repeat(size[0] // labels.shape[0], 0).repeat(size[1] // labels.shape[1], 1)


def at_the_centres(pixels, flipped):
    """What the pixels show at the centre of each 4x4 block.

    Four pixels meet there. Taken is the one to the right and below, or, in a flipped image, that one's mirror image.
    """
    return pixels[2::4, (1 if flipped else 2) :: 4]


def augmented(pixels, placement, hidden=BACKGROUND):
    """`pixels` [H, W] flipped, padded, cropped and erased."""
    flipped, down, right, box, _ = placement
    (height, width), pixels = pixels.shape, pixels[:, ::-1] if flipped else pixels
    pixels = np.pad(pixels, 10, constant_values=hidden)[10 + down :, 10 + right :][:height, :width].copy()
    if box:
        pixels[box.top : box.top + box.height, box.left : box.left + box.width] = hidden
    return pixels


def placed_labels(labels, size, placement, mirrored=(0,)):
    return apply_to_labels(labels, source_cells(size, labels.shape, placement), placement.flipped, list(mirrored))


def picture_and_labels(seed):
    """A label map [16, 8], and the picture [64, 32, 3] whose blocks have the colours of its cells."""
    labels = np.random.default_rng(seed).integers(0, 4, GRID, dtype=np.uint8)
    return np.repeat((enlarged(labels, SIZE) * 50 + 60)[..., None], 3, 2), labels


placements = st.builds(
    AugmentParams,
    flipped=st.booleans(),
    down=st.integers(-8, 8),
    right=st.integers(-8, 8),
    erased=st.none() | st.builds(Box, st.integers(0, 30), st.integers(0, 15), st.integers(1, 34), st.integers(1, 17)),
    color_jitter=st.none(),
)


@given(placements, st.integers(0, 1000))
def test_labels_follow_their_image(placement, seed):
    """The centre of every cell of the placed map has the colour of its label, or is hidden."""
    picture, labels = picture_and_labels(seed)
    under = at_the_centres(placed_image(picture, placement), placement.flipped)
    placed = placed_labels(labels, SIZE, placement)
    hidden = (under == 0).all(-1) | (under == IMAGENET_COLOUR).all(-1)
    assert np.array_equal(placed[~hidden] * 50 + 60, under[~hidden][:, 0])
    assert (placed[hidden] == BACKGROUND).all()


@given(placements, st.integers(0, 1000))
def test_placed_labels_agree_with_pixels(placement, seed):
    labels = np.random.default_rng(seed).integers(0, 4, GRID, dtype=np.uint8)
    expected = at_the_centres(augmented(enlarged(labels, SIZE), placement), placement.flipped)
    if placement.flipped:
        expected = np.choose(expected, MIRRORED)
    assert np.array_equal(placed_labels(labels, SIZE, placement, MIRRORED), expected)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("size", "grid"), SIZES)
def test_every_shift_agrees_with_pixels(size, grid, flipped):
    labels = np.random.default_rng(0).integers(0, UNKNOWN, grid, dtype=np.uint8)
    for shift in range(-10, 11):
        placement = AugmentParams(flipped, shift, -shift, None)
        expected = at_the_centres(augmented(enlarged(labels, size), placement), flipped)
        assert np.array_equal(placed_labels(labels, size, placement), expected), shift


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("size", "grid"), SIZES)
def test_no_label_covers_more_of_a_cell_than_its_own(size, grid, axis, flipped):
    """Holds whichever of the pixels at a centre is taken; every row, or column, of cells has a label of its own."""
    labels = np.indices(grid)[axis].astype(np.uint8) + 1
    for shift in range(-10, 11):
        placement = AugmentParams(flipped, *((shift, 0) if axis == 0 else (0, shift)), None)
        across = np.moveaxis(augmented(enlarged(labels, size), placement), axis, 0)[:, 0].reshape(-1, 4)
        own = np.moveaxis(placed_labels(labels, size, placement), axis, 0)[:, 0]
        for pixels, label in zip(across, own, strict=True):
            covered = np.bincount(pixels, minlength=256)
            assert covered[label] == covered.max(), shift


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("size", [(256, 128), (128, 64), (384, 128)])
def test_a_shift_neither_drops_nor_doubles_cells(size, flipped):
    count = size[1] // 4
    labels = np.tile(np.arange(1, count + 1, dtype=np.uint8), (size[0] // 4, 1))
    for shift in range(-10, 11):
        (shown,) = np.unique(placed_labels(labels, size, AugmentParams(flipped, 0, shift, None)), axis=0)
        shown = shown[shown != BACKGROUND].astype(int)
        assert (np.diff(shown) == (-1 if flipped else 1)).all(), shift
        assert len(shown) in (count - abs(shift) // 4, count - (abs(shift) + 3) // 4), shift


@pytest.mark.parametrize(("size", "grid"), SIZES)
def test_a_flip_reverses_the_columns_and_swaps_the_parts(size, grid):
    labels = np.random.default_rng(0).integers(0, 4, grid, dtype=np.uint8)
    still = placed_labels(labels, size, AS_IT_IS, MIRRORED)
    assert np.array_equal(placed_labels(labels, size, FLIP, MIRRORED), np.choose(still[:, ::-1], MIRRORED))
    assert np.array_equal(placed_labels(placed_labels(still, size, FLIP, MIRRORED), size, FLIP, MIRRORED), still)
    one_hot = np.stack([labels == label for label in (1, 2, 3)]).astype(np.uint8)
    still, turned = (
        apply_to_confidences(one_hot, source_cells(size, grid, placement), placement.flipped, MIRRORED)
        for placement in (AS_IT_IS, FLIP)
    )
    assert np.array_equal(turned, still[[1, 0, 2], :, ::-1])


def test_a_cell_is_erased_with_its_centre():
    labels = np.full(GRID, 3, np.uint8)
    placed = placed_labels(labels, SIZE, AS_IT_IS._replace(erased=Box(3, 7, 15, 11)))
    expected = labels.copy()
    expected[1:4, 2:4] = BACKGROUND  # centres on pixels 6, 10, 14 of rows 3 … 17 and 10, 14 of columns 7 … 17
    assert np.array_equal(placed, expected)


def test_without_augmentation_nothing_changes():
    picture, labels = picture_and_labels(0)
    assert np.array_equal(placed_image(picture, AS_IT_IS), picture)
    assert np.array_equal(apply_to_labels(labels, source_cells(SIZE, GRID, AS_IT_IS), False, MIRRORED), labels)


@given(st.integers(-9, 9), st.integers(-9, 9), st.booleans())
def test_crop_and_flip_are_those_of_the_padded_image(down, right, flipped):
    image = np.random.default_rng(0).integers(1, 255, (*SIZE, 3), dtype=np.uint8)
    turned = image[:, ::-1] if flipped else image
    padded = np.pad(turned, ((9, 9), (9, 9), (0, 0)))
    expected = padded[9 + down : 9 + down + SIZE[0], 9 + right : 9 + right + SIZE[1]]
    assert np.array_equal(placed_image(image, AugmentParams(flipped, down, right, None)), expected)


def test_unknown_maps_stay_unknown():
    labels = np.full(GRID, UNKNOWN, np.uint8)
    placement = AugmentParams(True, 7, -7, Box(0, 0, 30, 20))
    assert (apply_to_labels(labels, source_cells(SIZE, GRID, placement), True, MIRRORED) == UNKNOWN).all()


@given(placements, st.integers(0, 1000))
def test_confidences_move_like_labels(placement, seed):
    labels = np.random.default_rng(seed).integers(0, 4, GRID, dtype=np.uint8)
    one_hot = np.stack([255 * (labels == label) for label in (1, 2, 3)]).astype(np.uint8)
    cells = source_cells(SIZE, GRID, placement)
    placed = apply_to_labels(labels, cells, placement.flipped, MIRRORED)
    moved = apply_to_confidences(one_hot, cells, placement.flipped, MIRRORED)
    assert np.array_equal(moved, np.stack([255 * (placed == label) for label in (1, 2, 3)]))


@pytest.mark.parametrize("size", [(256, 128), (384, 128), (128, 64), (96, 48)])
def test_labels_of_one_grid_serve_images_of_any_size(size):
    cells = source_cells(size, (64, 32), AS_IT_IS)
    assert cells.hidden == []
    assert (len(cells.rows), len(cells.columns)) == (size[0] // 4, size[1] // 4)
    positions = (np.arange(0, size[0], 4) + 2) / size[0]  # of each cell's centre, as a share of the height
    assert np.abs(positions - (cells.rows[:, 0] + 0.5) / 64).max() <= 0.5 / 64 + 1e-9
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
    drawn = [sample_augmentation((256, 128), wanted, rng) for _ in range(3000)]
    assert np.mean([one.flipped for one in drawn]) == pytest.approx(0.3, abs=0.03)
    assert np.mean([one.erased is not None for one in drawn]) == pytest.approx(0.5, abs=0.03)
    shifts = np.array([(one.down, one.right) for one in drawn])
    assert set(np.unique(shifts)) == set(range(-10, 11))
    assert np.abs(shifts.mean(0)).max() < 0.5
