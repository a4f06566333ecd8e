"""Samples: a batch is complete, and depends on seed, epoch and position alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from artefacts.errors import UserError
from artefacts.imagenet import IMAGENET_COLOUR, IMAGENET_MEAN, IMAGENET_STD
from artefacts.manifest import ImageRow, read_manifest
from parsing.store import LabelFile, write_labels
from reid.config.root import Augmentation
from reid.data.images import load_image
from reid.data.loading import embedding_loader, readable, training_loader
from reid.data.samples import TrainingSamples, normalised


@pytest.fixture(scope="module")
def model(config):
    """The demo's model with batches of 3 x 4 and every augmentation switched on."""
    small = config.model("small")
    training = small.training.model_copy(update={"ids_per_batch": 3, "images_per_id": 4})
    augmentation = Augmentation(padding=5, flip=0.5, erasing=0.5)
    return small.model_copy(update={"training": training, "augmentation": augmentation})


def loader_of(people, model, workers=0, seed=1, **options):
    rows = read_manifest(people.manifest, "train")
    return training_loader(people.root, rows, LabelFile(people.labels), model, seed, workers, **options)


def test_batches_are_complete_and_consistent(people, model):
    loader = loader_of(people, model, with_confidences=True)
    rows = {row.key: row for row in read_manifest(people.manifest, "train")}
    assert loader.identities == 4
    batches = list(loader.epoch(0))
    assert len(batches) == loader.length(0) > 0
    for batch in batches:
        assert batch.images.shape == (12, 3, *model.size)
        assert batch.images.dtype == batch.labels.dtype == batch.confidences.dtype == torch.uint8
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.labels.shape == (12, model.size[0] // 4, model.size[1] // 4)
        assert batch.confidences.shape == (12, 5, model.size[0] // 4, model.size[1] // 4)
        assert batch.identities.tolist() == [rows[key].identity - 1 for key in batch.keys]
        assert batch.cameras.tolist() == [rows[key].camera for key in batch.keys]
        for label in range(1, 6):
            assert torch.equal(batch.confidences[:, label - 1] == 255, batch.labels == label)


def test_confidences_are_left_out_unless_asked_for(people, model):
    assert next(loader_of(people, model).epoch(0)).confidences is None


def test_a_model_that_asks_for_no_labels_gets_none(people, model):
    rows = read_manifest(people.manifest, "train")
    batch = next(training_loader(people.root, rows, None, model, 1, 0).epoch(0))
    expected = next(loader_of(people, model).epoch(0))
    assert batch.labels is batch.confidences is None
    assert torch.equal(batch.images, expected.images)


@pytest.mark.parametrize("size", [(128, 64), (64, 32)])
def test_query_images_have_the_confidences_of_training_images(people, model, size):
    """Those of a training sample to which nothing is done, in either resolution."""
    rows, labels = read_manifest(people.manifest, "train"), LabelFile(people.labels)
    still = Augmentation(padding=0, flip=0.0, erasing=0.0)
    training = TrainingSamples(people.root, rows, labels, size, still, 1, with_confidences=True)
    expected = training.__getitems__([(0, 0, number) for number in range(len(rows))])
    (found,) = embedding_loader(people.root, rows, size, len(rows), 0, labels)
    assert torch.equal(found.confidences, expected.confidences)
    if size == (128, 64):
        assert np.array_equal(found.confidences[2], labels.confidences(rows[2].key))
    (without,) = embedding_loader(people.root, rows, size, len(rows), 0)
    assert without.confidences is None


def test_a_flip_makes_left_parts_right_ones(tmp_path):
    """A person whose left arm is on the right of the image: flipped, the arm there is still the left one."""
    labels = np.zeros((32, 16), np.uint8)
    labels[8:16, 2:5], labels[8:16, 11:14] = 2, 1  # right_arm, left_arm
    confidences = np.stack([200 * (labels == label) for label in (1, 2)]).astype(np.uint8)
    row = {"key": "arms.png", "status": "ok", "labels": labels, "confidences": confidences}
    write_labels(tmp_path / "labels.h5", (32, 16), ["left_arm", "right_arm"], [0, 2, 1], 1, [row], {})
    Image.fromarray(np.zeros((128, 64, 3), np.uint8)).save(tmp_path / "arms.png")
    rows, file = [ImageRow("arms.png", "train", 1, 1, 64, 128, "")], LabelFile(tmp_path / "labels.h5")
    wanted = Augmentation(padding=0, flip=1.0, erasing=0.0)
    batch = TrainingSamples(tmp_path, rows, file, (128, 64), wanted, 0, with_confidences=True)[0, 0, 0]
    assert np.array_equal(batch.labels[0], labels)
    assert np.array_equal(batch.confidences[0], confidences)


def same(first, second) -> bool:
    return first.keys == second.keys and all(
        torch.equal(one, other) for one, other in zip(first, second, strict=True) if isinstance(one, torch.Tensor)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_are_the_same_whatever_the_workers(people, model, workers):
    alone, shared = loader_of(people, model), loader_of(people, model, workers)
    for epoch in (4, 0):  # any epoch, in any order, from workers that stay alive
        pairs = list(zip(alone.epoch(epoch), shared.epoch(epoch), strict=True))
        assert all(same(first, second) for first, second in pairs)


def test_seed_epoch_and_position_each_change_the_augmentation(people, model):
    rows, labels = read_manifest(people.manifest, "train"), LabelFile(people.labels)
    first, other = (TrainingSamples(people.root, rows, labels, model.size, model.augmentation, seed) for seed in (1, 2))
    same_image = [(first, (0, 0, 5)), (first, (1, 0, 5)), (first, (0, 1, 5)), (other, (0, 0, 5))]
    batches = [samples[address] for samples, address in same_image]
    assert len({batch.images.numpy().tobytes() for batch in batches}) == 4
    assert same(first[0, 0, 5], batches[0])


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_labels_lie_on_their_images(tmp_path, flip):
    """Images whose 4x4 blocks have the colours of their labels keep them, whatever the crop and the erased box."""
    labels = np.random.default_rng(0).integers(0, 4, (32, 16), dtype=np.uint8)
    Image.fromarray(np.repeat(np.kron(50 * labels + 60, np.ones((4, 4), np.uint8))[..., None], 3, 2)).save(
        tmp_path / "blocks.png"
    )
    row = {"key": "blocks.png", "status": "ok", "labels": labels, "confidences": np.zeros((3, 32, 16), np.uint8)}
    write_labels(tmp_path / "labels.h5", (32, 16), ["head", "arms", "legs"], [0, 1, 2, 3], 1, [row], {})
    rows = [ImageRow("blocks.png", "train", 1, 1, 64, 128, "")]
    wanted = Augmentation(padding=10, flip=flip, erasing=0.5)
    samples = TrainingSamples(tmp_path, rows, LabelFile(tmp_path / "labels.h5"), (128, 64), wanted, seed=0)
    batch = samples.__getitems__([(0, position, 0) for position in range(200)])
    centres = batch.images[:, :, 2::4, (1 if flip else 2) :: 4]
    hidden = (centres == 0).all(1) | (centres == torch.tensor(IMAGENET_COLOUR).view(3, 1, 1)).all(1)
    assert torch.equal(batch.labels, torch.where(hidden, 0, (centres[:, 0].int() - 60) // 50).to(torch.uint8))


def test_an_epoch_may_be_left_early(people, model):
    loader = loader_of(people, model, workers=1)
    next(loader.epoch(0))
    assert all(
        same(first, second) for first, second in zip(loader.epoch(2), loader_of(people, model).epoch(2), strict=True)
    )


def test_test_images_come_in_order_and_unchanged(people):
    rows = read_manifest(people.manifest, "query")
    batches = list(embedding_loader(people.root, rows, (128, 64), batch_size=5, workers=1))
    assert [len(batch.keys) for batch in batches] == [5, 5, 2]
    assert [key for batch in batches for key in batch.keys] == [row.key for row in rows]
    assert torch.cat([batch.identities for batch in batches]).tolist() == [row.identity for row in rows]
    images = torch.cat([batch.images for batch in batches])
    with Image.open(people.root / rows[7].key) as image:
        assert np.array_equal(images[7].permute(1, 2, 0).numpy(), np.asarray(image))


@pytest.mark.parametrize("size", [(256, 128), (384, 128), (96, 40)])
def test_resizing_is_that_of_pillow(people, size):
    row = read_manifest(people.manifest)[0]
    with Image.open(people.root / row.key) as image:
        expected = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
    loaded = load_image(people.root, row, size)
    assert np.abs(loaded - expected).max() <= 1
    assert loaded.flags.c_contiguous  # else copying it takes ten times as long


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_normalised_images_have_no_mean_and_unit_deviation(layout):
    images = torch.randint(0, 256, (2, 3, 8, 4), dtype=torch.uint8).contiguous(memory_format=layout)
    mean, deviation = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    torch.testing.assert_close(normalised(images), (images / 255 - mean) / deviation, atol=1e-5, rtol=1e-5)
    assert normalised(images).is_contiguous(memory_format=torch.channels_last)


def test_erased_pixels_are_nearly_zero_once_normalised():
    colour = torch.tensor(IMAGENET_COLOUR, dtype=torch.uint8).view(1, 3, 1, 1)
    assert normalised(colour.expand(1, 3, 2, 2)).abs().max() < 0.01


def test_unreadable_images_are_left_out_and_counted(people, caplog):
    rows = read_manifest(people.manifest, "query")
    rows[3] = rows[3]._replace(width=0, height=0)
    assert [row.key for row in readable(rows)] == [row.key for row in rows if row is not rows[3]]
    assert "1 of 12 images cannot be read and are left out" in caplog.text


def test_too_few_identities_are_refused(people, model):
    larger = model.model_copy(update={"training": model.training.model_copy(update={"ids_per_batch": 5})})
    with pytest.raises(UserError, match="show 4 identities but a batch needs 5"):
        loader_of(people, larger)
