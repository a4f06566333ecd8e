"""Occluders: each kind is its formula pixel by pixel, and image, labels and confidences are covered alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artefacts.manifest import read_manifest
from parsing.schemes import BACKGROUND, UNKNOWN
from parsing.store import LabelFile
from reid.config.root import Augmentation, Occlusion
from reid.data.loading import training_loader
from reid.data.occlusion import (
    AugmentedSamples,
    draw_object,
    draw_shift,
    draw_strip,
    object_patch,
    occlude,
    paste,
    person,
    strip,
)
from reid.data.samples import TrainingSamples

SIZE, GRID, PARTS = (32, 16), (8, 4), 3
KINDS = ["people", "objects", "strips"]
shifts = st.tuples(st.integers(-8, 8), st.integers(-4, 4))


def occlusion_of(*kinds, probability=1.0, **sizes):
    return Occlusion(probability=probability, kinds=dict.fromkeys(kinds, 1.0), **sizes)


def random_samples(seed, count=4):
    """Noise under label maps of parts, background and unknown cells, all confidences above 0."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, 3, UNKNOWN], np.uint8), (count, *GRID))
    images = rng.integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)
    return AugmentedSamples(images, labels, rng.integers(1, 256, (count, PARTS, *GRID), dtype=np.uint8))


def copied(samples):
    return AugmentedSamples(*(None if values is None else values.copy() for values in samples))


def pasted(occluder, seed):
    """A partner, an image, and that image with the occluder on it."""
    partner, image, _, _ = random_samples(seed).images
    found = image.copy()
    paste(occluder, partner, found)
    return partner, image, found


@settings(max_examples=40)
@given(st.integers(0, 99), shifts)
def test_a_person_lands_where_every_pixel_of_it_is_shifted_to(seed, shift):
    labels = random_samples(seed).labels[0]
    partner, expected, found = pasted(person(SIZE, labels, *shift), seed)
    expected, (down, right) = expected.copy(), shift
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            to = y + 4 * down, x + 4 * right
            if labels[y // 4, x // 4] in (1, 2, 3) and 0 <= to[0] < SIZE[0] and 0 <= to[1] < SIZE[1]:
                expected[to] = partner[y, x]
    assert np.array_equal(found, expected)


@given(st.integers(0, 99), st.integers(0, 2**31), st.booleans())
def test_an_object_is_a_rectangle_or_an_ellipse_of_the_partner(seed, draw, elliptic):
    box, top, left, _ = draw_object(SIZE, occlusion_of("objects"), np.random.default_rng(draw))
    partner, expected, found = pasted(object_patch(SIZE, box, top, left, elliptic), seed)
    expected = expected.copy()
    for y in range(box.height):
        for x in range(box.width):
            away = ((y + 0.5) / (box.height / 2) - 1) ** 2 + ((x + 0.5) / (box.width / 2) - 1) ** 2
            if not elliptic or away <= 1 + 1e-9:
                expected[box.top + y, box.left + x] = partner[top + y, left + x]
    assert np.array_equal(found, expected)


@given(st.integers(0, 99), st.integers(0, 2**31), st.none() | st.tuples(*[st.integers(0, 255)] * 3))
def test_a_strip_is_of_one_colour_or_of_the_partner(seed, draw, colour):
    box, _ = draw_strip(SIZE, occlusion_of("strips"), np.random.default_rng(draw))
    partner, expected, found = pasted(strip(SIZE, box, colour), seed)
    expected = expected.copy()
    for y in range(box.top, box.top + box.height):
        for x in range(box.left, box.left + box.width):
            expected[y, x] = partner[y, x] if colour is None else colour
    assert np.array_equal(found, expected)


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.lists(st.booleans(), min_size=4, max_size=4))
def test_image_labels_and_confidences_are_covered_alike(seed, kind, flipped):
    """A cell is covered if the pixel is that stands for it; a covered cell is background unless it is unknown."""
    before, identities = random_samples(seed), [1, 1, 2, 3]
    before.images[:] = np.array([0, 0, 100, 200]).reshape(4, 1, 1, 1)  # by identity, so that other people's pixels show
    after, occlusion = copied(before), occlusion_of(kind, object_area=(0.3, 0.6), person_across=(0.0, 0.3))
    occlude(after, identities, flipped, occlusion, [np.random.default_rng([seed, slot]) for slot in range(4)])
    for slot in range(4):
        for y, x in np.ndindex(GRID):
            changed = after.images[slot, 4 * y + 2, 4 * x + 2 - flipped[slot]] != before.images[slot, 0, 0]
            label, known = before.labels[slot, y, x], before.labels[slot, y, x] != UNKNOWN
            assert after.labels[slot, y, x] == (BACKGROUND if changed.any() and known else label)
            hidden = before.confidences[slot, :, y, x] * (not changed.any())
            assert np.array_equal(after.confidences[slot, :, y, x], hidden)
    assert any((after.images[slot] != before.images[slot]).any() for slot in range(4)) or kind == "people"


def test_people_leave_none_of_their_parts_behind():
    """A person of part 3, a cell down and one to a side, on a person of part 1: what it covers is background."""
    samples = AugmentedSamples(np.zeros((2, *SIZE, 3), np.uint8), np.full((2, *GRID), 1, np.uint8), None)
    samples.labels[1] = BACKGROUND
    samples.images[1, 8:20, 4:12], samples.labels[1, 2:5, 1:3] = 255, 3
    exact = occlusion_of("people", person_across=(0.25, 0.25), person_down=(0.125, 0.125))
    seen = set()
    for seed in range(9):
        found = copied(samples)
        occlude(found, [1, 2], [False, False], exact, [np.random.default_rng([seed, slot]) for slot in range(2)])
        columns = np.flatnonzero(found.labels[0, 3] == BACKGROUND)
        expected = np.full(GRID, 1)
        expected[3:6, columns] = BACKGROUND
        assert np.array_equal(found.labels[0], expected)
        assert np.array_equal(found.images[0, 2::4, 2::4, 0] == 255, expected == BACKGROUND)
        seen.add(tuple(columns))
    assert seen == {(0, 1), (2, 3)}


def test_sizes_and_shares_are_the_configured_ones():
    rng, size, grid = np.random.default_rng(0), (256, 128), (64, 32)
    wanted = occlusion_of(*KINDS, person_across=(0.2, 0.4), person_down=(0.1, 0.3), object_area=(0.1, 0.2))
    shifts = np.array([draw_shift(grid, wanted, rng) for _ in range(300)])
    assert set(np.sign(shifts[:, 1])) == {-1, 1}
    assert (abs(shifts[:, 1]).min(), abs(shifts[:, 1]).max()) == (6, 13)
    assert (shifts[:, 0].min(), shifts[:, 0].max()) == (6, 19)
    boxes = [draw_object(size, wanted, rng) for _ in range(300)]
    assert all(0.095 < box.height * box.width / 2**15 < 0.205 for box, *_ in boxes)
    assert all(top + box.height <= 256 and left + box.width <= 128 for box, top, left, _ in boxes)
    strips = [draw_strip(size, wanted, rng)[0] for _ in range(300)]
    bottom = [box for box in strips if box.width == 128]
    assert {box.top + box.height for box in bottom} == {256}
    assert (min(bottom, key=lambda box: box.height).height, max(bottom, key=lambda box: box.height).height) == (64, 153)
    sides = [box for box in strips if box.width < 128]
    assert {box.height for box in sides} == {256}
    assert (min(box.width for box in sides), max(box.width for box in sides)) == (32, 70)
    assert {box.left for box in sides if box.left + box.width < 128} == {0}
    assert 60 < len(bottom) < 140


def test_kinds_and_probability_are_as_often_as_asked(monkeypatch):
    """Two thirds people, a third strips, none of a kind with 0, on three of ten samples."""
    drawn = []
    samples = random_samples(0, 3)
    for kind, name in zip(KINDS, ["draw_shift", "draw_object", "draw_strip"], strict=True):
        kept = globals()[name]
        monkeypatch.setattr(
            f"reid.data.occlusion.{name}", lambda *given, kind=kind, kept=kept: drawn.append(kind) or kept(*given)
        )
    wanted = Occlusion(probability=0.3, kinds={"people": 2.0, "objects": 0.0, "strips": 1.0})
    for seed in range(300):
        occlude(copied(samples), [1, 2, 3], [False] * 3, wanted, [np.random.default_rng([seed, n]) for n in range(3)])
    assert set(drawn) == {"people", "strips"}
    assert len(drawn) / 900 == pytest.approx(0.3, abs=0.05)
    assert drawn.count("people") / len(drawn) == pytest.approx(2 / 3, abs=0.07)


def test_partners_are_of_another_identity_and_free_of_occluders():
    """Each identity has its colour, so that a sample shows its own and at most one other, never a third's remains."""
    identities = [1, 1, 2, 2, 3, 3]
    for seed in range(20):
        images = np.repeat(np.array(identities, np.uint8), 32 * 16 * 3).reshape(6, *SIZE, 3).copy()
        samples = AugmentedSamples(images, np.ones((6, *GRID), np.uint8), None)
        rngs = [np.random.default_rng([seed, slot]) for slot in range(6)]
        occlude(samples, identities, [False] * 6, occlusion_of("people", "objects"), rngs)
        shown = [set(np.unique(image)) for image in samples.images]
        assert all(len(colours) == 2 for colours in shown)
    alone = copied(random_samples(0))
    occlude(alone, [7] * 4, [False] * 4, occlusion_of(*KINDS), [np.random.default_rng(n) for n in range(4)])
    assert all(np.array_equal(one, other) for one, other in zip(alone, random_samples(0), strict=True))


@pytest.fixture(scope="module")
def model(config):
    """The demo's model with batches of 3 x 4, every augmentation and every kind of occluder."""
    small = config.model("small")
    training = small.training.model_copy(update={"ids_per_batch": 3, "images_per_id": 4})
    augmentation = Augmentation(padding=5, flip=0.5, erasing=0.5, occlusion=occlusion_of(*KINDS, probability=0.5))
    return small.model_copy(update={"training": training, "augmentation": augmentation})


def test_batches_with_occluders_are_the_same_whatever_the_workers(people, model):
    rows, labels = read_manifest(people.manifest, "train"), LabelFile(people.labels)
    kinds = dict.fromkeys(reversed(KINDS), 1.0)  # named in another order
    other = model.augmentation.occlusion.model_copy(update={"kinds": kinds})
    reordered = model.model_copy(update={"augmentation": model.augmentation.model_copy(update={"occlusion": other})})
    loaders = [
        training_loader(people.root, rows, labels, entry, 1, workers, True)
        for entry, workers in ((model, 0), (reordered, 2))
    ]
    for epoch in (1, 0):
        for alone, shared in zip(*(loader.epoch(epoch) for loader in loaders), strict=True):
            assert alone.images.equal(shared.images)
            assert alone.labels.equal(shared.labels)
            assert alone.confidences.equal(shared.confidences)


def test_only_what_occluders_cover_differs_from_a_batch_without(people, model):
    """Flip, crop and erasing are drawn as ever; in the true labels' confidences, what is left is what labels show."""
    rows, labels = read_manifest(people.manifest, "train"), LabelFile(people.labels)
    usual = model.augmentation.model_copy(update={"occlusion": None})
    addresses = [(0, position, position) for position in range(len(rows))]
    with_them, without = (
        TrainingSamples(people.root, rows, labels, model.size, augmentation, 1, True).__getitems__(addresses)
        for augmentation in (model.augmentation, usual)
    )
    same = (with_them.images == without.images).flatten(1).all(1)
    assert 0.2 < same.float().mean() < 0.8
    assert with_them.labels[same].equal(without.labels[same])
    lost = with_them.labels != without.labels
    assert lost[~same].any()
    assert (with_them.labels[lost] == BACKGROUND).all()
    for label in range(1, 6):
        assert ((with_them.confidences[:, label - 1] == 255) == (with_them.labels == label)).all()


def test_models_without_labels_get_the_same_objects_and_strips(people, model):
    rows, labels = read_manifest(people.manifest, "train"), LabelFile(people.labels)
    wanted = model.augmentation.model_copy(update={"occlusion": occlusion_of("objects", "strips")})
    with_labels, without = (
        TrainingSamples(people.root, rows, file, model.size, wanted, 1).__getitems__(
            [(0, n, n) for n in range(len(rows))]
        )
        for file in (labels, None)
    )
    assert without.labels is None
    assert without.images.equal(with_labels.images)
