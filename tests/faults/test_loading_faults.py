"""Images and labels that do not fit the manifest stop training and extraction with one line, from any worker."""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from artefacts.errors import UserError
from artefacts.manifest import read_manifest
from parsing.store import LabelFile
from reid.data import loading
from reid.data.loading import embedding_loader, training_loader
from reid.data.samples import TestSamples, TrainingSamples
from reid.training.distributed import run_in_processes
from tests.people import PEOPLE, stage
from tests.unit.reid.training.test_training import options, tiny


@pytest.fixture
def people_copy(people, tmp_path) -> Path:
    """A copy of the rendered dataset that a test may spoil."""
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


@pytest.fixture
def loader_that(monkeypatch):
    """Lets a loader process call a function when it is given its `number`th batch."""

    def patch(samples: type, number: int, function) -> None:
        def spoiled(self, addresses, load=samples.__getitems__, given=[]):  # noqa: B006 - one list a process
            given.append(addresses)
            return function() if len(given) == number else load(self, addresses)

        monkeypatch.setattr(samples, "__getitems__", spoiled)

    return patch


def train(people, config, folder) -> int:
    return stage("train", **options(people, tiny(config), folder), threads=1)


def saved(folder) -> tuple[int, int]:
    """Epochs and batches of the next that a training's state holds."""
    (path,) = (folder / "state").glob("*/state.pt")
    state = torch.load(path, weights_only=True)["state"]
    return state["epoch"], state["batch"]


def test_a_loader_that_is_killed_ends_the_training_in_one_line(people, config, tmp_path, loader_that, capsys):
    loader_that(TrainingSamples, 5, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert train(people, config, tmp_path) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: a process that loads images ended by SIGKILL; ")
    assert "use fewer threads (--set-threads)" in last
    assert saved(tmp_path)[0] in (0, 1)  # three batches an epoch; whichever of the first four had arrived
    for process in multiprocessing.active_children():
        process.join(60)
    assert not multiprocessing.active_children()


def test_a_loader_that_delivers_nothing_ends_the_extraction_in_one_line(people, loader_that, monkeypatch):
    monkeypatch.setattr(loading, "PATIENCE", 0.3)
    loader_that(TestSamples, 2, lambda: time.sleep(999))
    with pytest.raises(UserError, match="a process that loads images delivered nothing for"):
        list(embedding_loader(people.root, read_manifest(people.manifest, "query"), (64, 32), 4, 1))


def test_a_signal_ends_a_training_that_waits_for_its_loader(people, config, tmp_path, loader_that):
    loader_that(TrainingSamples, 5, lambda: time.sleep(999))
    threading.Thread(target=terminate_when_saved, args=(tmp_path / "state",), daemon=True).start()
    with pytest.raises(SystemExit) as end:
        train(people, config, tmp_path)
    assert end.value.code == 128 + signal.SIGTERM
    assert saved(tmp_path) in ((1, 0), (1, 1))  # three batches an epoch; the fifth does not come


def test_a_process_that_renders_and_is_killed_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("reid.stages.draw.draw_shot", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert stage("draw", config={"synthetic": PEOPLE}, index=tmp_path / "index.csv", truth=tmp_path / "truth.h5") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: a process of this stage was ended; ")


def kill_the_second(_: object) -> int:
    """What a training process does: one is killed, the other waits for it."""
    os.kill(os.getpid(), signal.SIGKILL) if os.environ["RANK"] == "1" else time.sleep(999)


@pytest.mark.slow
def test_a_training_process_that_is_killed_ends_all_in_one_line():
    with pytest.raises(UserError, match="training process 1 of 2 was ended by SIGKILL; the kernel does so when memory"):
        run_in_processes(kill_the_second, None, 2)


def terminate_when_saved(state: Path) -> None:
    """End this process a moment after the first epoch: its training then waits for the next batch but one."""
    while not list(state.glob("*/state.pt")):
        time.sleep(0.01)
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_is_exchanged_after_the_manifest(people, people_copy, config, workers):
    rows = read_manifest(people.manifest, "train")
    Image.new("RGB", (10, 20)).save(people_copy / rows[2].key)
    model = config.model("small")
    training = model.training.model_copy(update={"ids_per_batch": 4, "images_per_id": 6})
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
