"""Several datasets trained on together: who is who, which labels an image has, and what each gives to a batch."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from artefacts.errors import UserError
from artefacts.manifest import ImageRow, read_manifest
from parsing.store import LabelFile, write_labels
from reid.config.root import Augmentation
from reid.data.combination import TrainingHalf, training_images
from reid.data.loading import training_loader
from reid.data.sampler import EvenSampler, IdentitySampler
from reid.data.samples import TrainingSamples

STILL = Augmentation(padding=0, flip=0.0, erasing=0.0)


def half(name: str, numbers: list[tuple[int, int]], labels: LabelFile | None = None) -> TrainingHalf:
    """A dataset with an image of each of these identities and cameras."""
    rows = [
        ImageRow(f"{place}.png", "train", identity, camera, 64, 128, f"{name}{place}")
        for place, (identity, camera) in enumerate(numbers)
    ]
    return TrainingHalf(name, Path("data") / name, rows, labels)


numbers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=12)


@given(st.lists(numbers, min_size=2, max_size=4))
def test_identities_and_cameras_are_the_same_where_dataset_and_number_are(datasets):
    members = [half(f"d{place}", numbers) for place, numbers in enumerate(datasets)]
    images = training_images(members)
    known = [(member.name, row) for member in members for row in member.rows]
    assert [row.key for row in images.rows] == [f"data/{name}/{row.key}" for name, row in known]
    for (name, row), combined in zip(known, images.rows, strict=True):
        assert images.dataset_of[combined.identity] == name
        for (other_name, other), again in zip(known, images.rows, strict=True):
            same = name == other_name
            assert (combined.identity == again.identity) == (same and row.identity == other.identity)
            assert (combined.camera == again.camera) == (same and row.camera == other.camera)


def test_a_single_dataset_stays_as_it_is():
    one = half("one", [(7, 2), (3, 1)])
    assert training_images([one]) == (one.root, one.rows, None, None)


def test_images_and_labels_are_those_of_their_dataset(people, tmp_path):
    """A second dataset of the same keys and numbers, its images inverted and its labels on a coarser grid."""
    other = inverted(people, tmp_path)
    labels = LabelFile(people.labels), LabelFile(tmp_path / "labels.h5")
    rows = read_manifest(people.manifest, "train")
    strange = [row._replace(sha256=f"other {row.sha256}") for row in rows]
    members = [
        TrainingHalf("people", people.root, rows, labels[0]),
        TrainingHalf("other", other, strange, labels[1]),
    ]
    images = training_images(members)
    count = len(rows)
    assert [row.identity for row in images.rows] == [row.identity for row in rows] + [row.identity + 4 for row in rows]
    together = TrainingSamples(*images[:3], (128, 64), STILL, 1, with_confidences=True)
    found = together.__getitems__([(0, 0, image) for image in range(2 * count)])
    for place, member in enumerate(members):
        alone = TrainingSamples(*member[1:], (128, 64), STILL, 1, with_confidences=True)
        expected = alone.__getitems__([(0, 0, image) for image in range(count)])
        own = slice(place * count, (place + 1) * count)
        for name in ("images", "labels", "confidences"):
            assert torch.equal(getattr(found, name)[own], getattr(expected, name)), name
    assert not torch.equal(found.images[:count], found.images[count:])
    assert not torch.equal(found.labels[:count], found.labels[count:])


def inverted(people, folder: Path) -> Path:
    """The training images of `people` as a dataset of other colours; its labels.h5 has every second cell of theirs."""
    source = LabelFile(people.labels)
    for row in read_manifest(people.manifest, "train"):
        (folder / "other" / row.key).parent.mkdir(parents=True, exist_ok=True)
        ImageOps.invert(Image.open(people.root / row.key)).save(folder / "other" / row.key, format="PNG")
    rows = [
        {"key": key, "status": "ok", "labels": source.label_map(key)[::2, ::2],
         "confidences": source.confidences(key)[:, ::2, ::2]}
        for key in source.keys
    ]  # fmt: skip
    grid = rows[0]["labels"].shape
    write_labels(folder / "labels.h5", grid, source.part_names, source.mirrored, len(rows), rows, {})
    return folder / "other"


def test_labels_of_other_parts_are_refused_by_both_files(people, tmp_path):
    rows = [{"key": "0.png", "status": "ok", "labels": np.zeros((4, 2), np.uint8),
             "confidences": np.zeros((2, 4, 2), np.uint8)}]  # fmt: skip
    write_labels(tmp_path / "two.h5", (4, 2), ["upper", "lower"], [0, 1, 2], 1, rows, {})
    members = [half("a", [(1, 1)], LabelFile(people.labels)), half("b", [(1, 1)], LabelFile(tmp_path / "two.h5"))]
    with pytest.raises(UserError, match=r"two\.h5: has the parts upper, lower, but .*labels\.h5 has head, arms, torso"):
        training_images(members)


def test_an_image_of_two_datasets_is_refused():
    """As of DukeMTMC-reID and Occluded-Duke: the same person would be two."""
    a, b = half("a", [(1, 1), (2, 1)]), half("b", [(1, 1)])
    copied = b._replace(rows=[row._replace(sha256="a1") for row in b.rows])
    with pytest.raises(UserError, match=r"^data/b/0\.png: is the same image as data/a/1\.png, .* take b or a out of"):
        training_images([a, copied])


def test_a_dataset_without_a_readable_image_is_named():
    blank = half("b", [(1, 1)])
    blank = blank._replace(rows=[row._replace(width=0, height=0) for row in blank.rows])
    with pytest.raises(UserError, match=r"^results/b/manifest\.csv: has no readable image to train on; take b out of"):
        training_images([half("a", [(1, 1)]), blank])


sizes = st.lists(st.lists(st.integers(1, 9), min_size=4, max_size=8), min_size=2, max_size=4)  # images of identities


def listed(datasets: list[list[int]]) -> tuple[list[int], dict[int, str]]:
    """The identity of each image, and the dataset of each identity."""
    people = [(f"d{place}", count) for place, counts in enumerate(datasets) for count in counts]
    identities = [number for number, (_, count) in enumerate(people) for _ in range(count)]
    return identities, {number: name for number, (name, _) in enumerate(people)}


@given(sizes, st.integers(2, 4), st.integers(2, 3), st.integers(0, 2**31), st.integers(0, 500))
def test_evenly_sampled_batches_are_dealt_from_every_dataset_in_turn(datasets, p, k, seed, epoch):
    """Against decks of cards: a dataset's groups are dealt until fewer identities than are asked for have one left."""
    identities, dataset_of = listed(datasets)
    batches = EvenSampler(identities, dataset_of, p, k, seed).batches(epoch)
    groups = {number: max(1, count // k) for number, count in Counter(identities).items()}
    assert len(batches) == sum(groups.values()) // p
    given_by, decks = Counter(), {name: Counter() for name in dataset_of.values()}
    for batch in batches:
        shown = Counter(identities[image] for image in batch)
        assert len(shown) == p
        assert set(shown.values()) == {k}
        share = Counter(dataset_of[identity] for identity in shown)
        assert all(share[name] in (p // len(datasets), -(-p // len(datasets))) for name in decks)
        given_by += share
        for name, wanted in share.items():
            deck = decks[name]
            if sum(left > 0 for left in deck.values()) < wanted:
                decks[name] = deck = Counter({one: groups[one] for one, of in dataset_of.items() if of == name})
            for one in (one for one in shown if dataset_of[one] == name):
                assert deck[one] > 0
                deck[one] -= 1
    assert max(given_by[name] for name in decks) - min(given_by[name] for name in decks) <= 1


@given(sizes, st.integers(0, 2**31), st.integers(0, 500))
def test_an_even_epoch_depends_on_seed_and_epoch_alone(datasets, seed, epoch):
    fresh, used = (EvenSampler(*listed(datasets), 3, 2, seed) for _ in range(2))
    used.batches(epoch + 1)
    assert fresh.batches(epoch) == used.batches(epoch)


def test_seeds_epochs_and_samplings_differ():
    identities, dataset_of = listed([[6] * 12, [6] * 4])
    even = [EvenSampler(identities, dataset_of, 4, 2, seed).batches(epoch) for seed in (1, 2) for epoch in (0, 1)]
    by_size = IdentitySampler(identities, 4, 2, 1).batches(0)
    assert len({str(batches) for batches in (*even, by_size)}) == 5
    small = [image for batch in by_size for image in batch if dataset_of[identities[image]] == "d1"]
    assert abs(len(small) / sum(map(len, by_size)) - 1 / 4) < 0.05  # as many as it has


def test_a_dataset_with_fewer_identities_than_its_share_is_named():
    with pytest.raises(
        UserError, match=r"images of d1 show 1 identities but a batch takes 2 of each.*sampling to size"
    ):
        EvenSampler(*listed([[2] * 9, [2]]), 4, 2, 0)


def test_the_loader_samples_as_it_is_told(people, config):
    """Datasets of 3 and 1 identities: an even batch of 2 shows the one in every batch."""
    small = config.model("small")
    training = small.training.model_copy(update={"ids_per_batch": 2, "images_per_id": 2})
    model = small.model_copy(update={"training": training})
    rows, labels = read_manifest(people.manifest, "train"), LabelFile(people.labels)
    dataset_of = {1: "a", 2: "a", 3: "a", 4: "b"}
    loaders = [training_loader(people.root, rows, labels, model, 1, 0, dataset_of=of) for of in (dataset_of, None)]
    even, by_size = ([3 in batch.identities for batch in loader.epoch(0)] for loader in loaders)
    assert all(even)
    assert not all(by_size)
