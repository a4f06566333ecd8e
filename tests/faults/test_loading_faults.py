"""Images and labels that do not fit the manifest stop training and extraction with one line, from any worker."""

import gc
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image

from artefacts.errors import UserError
from artefacts.manifest import read_manifest
from parsing.store import LabelFile
from reid.data.loading import embedding_loader, training_loader


@pytest.fixture
def people_copy(people, tmp_path) -> Path:
    """A copy of the drawn dataset that a test may spoil."""
    return Path(shutil.copytree(people.root, tmp_path / "own"))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_after_the_manifest(people, people_copy, workers):
    rows = read_manifest(people.manifest, "query")
    (people_copy / rows[2].key).unlink()
    with pytest.raises(UserError) as error:
        list(embedding_loader(people_copy, rows, (64, 32), 4, workers))
    assert (
        str(error.value)
        == f"{people_copy / rows[2].key}: cannot be read any more (no such file); run the manifest stage again"
    )


def test_workers_end_at_once_after_an_error(people, people_copy, monkeypatch):
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 90)  # seconds that torch waits for a worker
    rows = read_manifest(people.manifest, "query")
    (people_copy / rows[2].key).unlink()
    begun = time.monotonic()
    with pytest.raises(UserError):
        list(embedding_loader(people_copy, rows, (64, 32), 4, 1))
    gc.collect()
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_is_exchanged_after_the_manifest(people, people_copy, config, workers):
    rows = read_manifest(people.manifest, "train")
    Image.new("RGB", (10, 20)).save(people_copy / rows[2].key)
    model = config.model("small")
    training = model.training.model_copy(update={"identities": 4, "images": 6})
    loader = training_loader(
        people_copy, rows, LabelFile(people.labels), model.model_copy(update={"training": training}), 0, workers
    )
    with pytest.raises(UserError) as error:
        list(loader.epoch(0))
    assert str(error.value).startswith(
        f"{people_copy / rows[2].key}: has changed since the manifest (10 x 20, not 64 x 128"
    )


def test_an_image_without_labels(people, config):
    rows = read_manifest(people.manifest, "train")
    strange = rows[0]._replace(key="bounding_box_train/0009_c1.jpg")
    with pytest.raises(UserError, match=r"labels\.h5: has no image 'bounding_box_train/0009_c1\.jpg' \(1 missing\)"):
        training_loader(people.root, [*rows, strange], LabelFile(people.labels), config.model("small"), 0, 0)
