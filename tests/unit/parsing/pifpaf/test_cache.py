"""Rows found before are found by their images' content; the result is that of a run from nothing, byte for byte."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from artefacts.state import locked
from parsing.pifpaf.extraction import FieldExtractor
from parsing.stages import fields as stage
from parsing.store import FieldFile
from tests.conftest import PROJECT
from tests.labelling import find, merge, noise_image, write_manifest
from tests.pifpaf import write_checkpoint

IMAGES = 40


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """Images with their fields, by a run from nothing, in fields.h5."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "images").mkdir()
    for number in range(IMAGES):
        noise_image(number).save(folder / f"images/{number:02d}.png")
    (folder / "images/broken.png").write_bytes(b"no image")
    write_manifest(folder / "images", folder / "manifest.csv")
    write_checkpoint(folder / "net.safetensors")
    assert find(folder) == 0
    return folder


@pytest.fixture
def folder(labelled, tmp_path) -> Path:
    """A copy of them, to change."""
    return shutil.copytree(labelled, tmp_path / "copy")


@pytest.fixture
def seen(monkeypatch) -> list[str]:
    """Keys of the images that a network is given."""
    keys: list[str] = []
    watch(monkeypatch, lambda batch: keys.extend(source.key for source in batch))
    return keys


def watch(monkeypatch: pytest.MonkeyPatch, look: Callable[[list], object]) -> None:
    """Have `look` called with every batch before the network gets it."""
    find_batch = FieldExtractor.__call__
    monkeypatch.setattr(FieldExtractor, "__call__", lambda finder, batch: (look(batch), find_batch(finder, batch))[1])


def must_be_as_from_nothing(folder: Path, again: str, **changes: object) -> None:
    assert find(folder, "nothing.h5", **changes) == 0
    assert (folder / again).read_bytes() == (folder / "nothing.h5").read_bytes()
    assert kept(folder) == []


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "state").glob("*/*"))


def test_added_images_alone_are_given_to_the_network(folder, seen, capsys):
    for number in (97, 98):
        noise_image(number).save(folder / f"images/{number}.png")
    write_manifest(folder / "images", folder / "manifest.csv")
    assert find(folder, "again.h5", known="fields.h5") == 0
    assert seen == ["97.png", "98.png"]
    assert f"{IMAGES + 1} of {IMAGES + 3} images are known, 2 are new" in capsys.readouterr().err
    must_be_as_from_nothing(folder, "again.h5")


def test_images_that_were_renamed_changed_or_removed(folder, seen):
    images = folder / "images"
    (images / "00.png").rename(images / "99.png")
    noise_image(98).save(images / "01.png")
    (images / "02.png").unlink()
    shutil.copy(images / "03.png", images / "twin.png")
    write_manifest(images, folder / "manifest.csv")
    assert find(folder, "again.h5", known="fields.h5") == 0
    assert seen == ["01.png"]
    must_be_as_from_nothing(folder, "again.h5")


def test_images_that_go_missing_after_the_manifest_are_not_taken_from_memory(folder, seen):
    (folder / "images/05.png").unlink()
    assert find(folder, "again.h5", known="fields.h5") == 0
    assert seen == ["05.png"]
    assert FieldFile(folder / "again.h5").problem("05.png") == "no such file"
    must_be_as_from_nothing(folder, "again.h5")


def test_an_image_that_changed_after_the_manifest_is_not_taken_from_memory(folder, capsys):
    noise_image(98).save(folder / "images/05.png")
    assert find(folder, "again.h5", known="fields.h5") == 1
    assert "05.png: has changed since the manifest was made" in capsys.readouterr().err


@pytest.mark.parametrize("shards", [1, 3])
def test_a_merged_file_is_known_to_any_number_of_shards(folder, seen, shards):
    noise_image(98).save(folder / "images/98.png")
    write_manifest(folder / "images", folder / "manifest.csv")
    names = [f"{number}-of-{shards}" for number in range(shards)]
    assert [find(folder, f"{name}.h5", name, known="fields.h5") for name in names] == [0] * shards
    assert seen == ["98.png"]
    merge(folder, "again.h5", *(f"{name}.h5" for name in names))
    must_be_as_from_nothing(folder, "again.h5")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder, monkeypatch: {"batch_size": 3}, "another config"),
        (lambda folder, monkeypatch: {"precision": "bfloat16"}, "another config"),
        (lambda folder, monkeypatch: write_checkpoint(folder / "net.safetensors", 1) and {}, "another checkpoint"),
        (lambda folder, monkeypatch: in_provenance(monkeypatch, code="edited"), "another code"),
        (lambda folder, monkeypatch: in_provenance(monkeypatch, packages={"torch": "9.9"}), "another packages"),
        (lambda folder, monkeypatch: truncate(folder / "fields.h5"), "is truncated"),
        (lambda folder, monkeypatch: (folder / "fields.h5").write_text("labels") and {}, "is not a file of this"),
    ],
    ids=["batch size", "precision", "checkpoint", "code", "packages", "truncated", "foreign"],
)
def test_rows_that_were_made_otherwise_are_not_reused(folder, seen, monkeypatch, capsys, change, reason):
    changes = change(folder, monkeypatch)
    assert find(folder, "again.h5", known="fields.h5", **changes) == 0
    assert len(seen) == IMAGES + 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not reused: ")]
    assert len(said) == 1
    assert reason in said[0]
    must_be_as_from_nothing(folder, "again.h5", **changes)


def in_provenance(monkeypatch: pytest.MonkeyPatch, **changes: object) -> dict:
    original = stage.provenance
    monkeypatch.setattr(stage, "provenance", lambda *about: original(*about) | changes)
    return {}


def truncate(path: Path) -> dict:
    path.write_bytes(path.read_bytes()[:-100])
    return {}


@pytest.mark.parametrize("survivors", random.Random(0).sample(range(11), 4))
def test_what_is_stopped_goes_on_after_the_last_whole_batch(folder, seen, survivors):
    with pytest.MonkeyPatch.context() as patch:
        watch(patch, lambda batch: stop() if len(kept(folder)) == survivors else None)
        with pytest.raises(KeyboardInterrupt):
            find(folder, "again.h5")
    assert len(kept(folder)) == survivors
    assert not (folder / "again.h5").exists()
    seen.clear()
    assert find(folder, "again.h5") == 0
    assert len(seen) == IMAGES + 1 - 4 * survivors
    assert (folder / "again.h5").read_bytes() == (folder / "fields.h5").read_bytes()
    assert kept(folder) == []


def stop() -> None:
    raise KeyboardInterrupt


def test_damaged_and_foreign_batches_are_made_again(folder, seen, capsys):
    with pytest.MonkeyPatch.context() as patch:
        watch(patch, lambda batch: stop() if len(kept(folder)) == 3 else None)
        with pytest.raises(KeyboardInterrupt):
            find(folder, "again.h5")
    truncate(kept(folder)[1])
    kept(folder)[0].with_name("other.h5").write_text("something else")
    seen.clear()
    assert find(folder, "again.h5") == 0
    assert len(seen) == IMAGES + 1 - 4 * 2
    assert capsys.readouterr().err.count("not reused: ") == 2
    assert (folder / "again.h5").read_bytes() == (folder / "fields.h5").read_bytes()


def test_nobody_else_works_on_the_same_shard(folder, capsys):
    with locked(folder / "state"):
        assert find(folder, "again.h5") == 1
    assert "another process works here" in capsys.readouterr().err


DYING = """
import os, signal, sys
from pathlib import Path
from parsing.pifpaf import workers
from tests.labelling import find
folder, survivors = Path(sys.argv[1]), int(sys.argv[2])
class Dying(workers.BatchCache):
    def __call__(self, batch):
        if len(list((folder / "state").glob("*/*.h5"))) == survivors:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)
workers.BatchCache = Dying
find(folder, "again.h5")
"""


@pytest.mark.slow
@pytest.mark.parametrize("survivors", random.Random(1).sample(range(11), 3))
def test_what_is_killed_loses_one_batch(folder, seen, survivors):
    command = [sys.executable, "-c", DYING, str(folder), str(survivors)]
    assert subprocess.run(command, cwd=PROJECT, timeout=600).returncode == -signal.SIGKILL
    assert len(kept(folder)) == survivors
    assert find(folder, "again.h5") == 0
    assert len(seen) == IMAGES + 1 - 4 * survivors
    assert (folder / "again.h5").read_bytes() == (folder / "fields.h5").read_bytes()


TWO = """
import sys
from pathlib import Path
from parsing.pifpaf import workers
from tests.labelling import find
workers.LEAST = 1
find(Path(sys.argv[1]), "again.h5", threads=2, batch_size=1)
"""


@pytest.mark.slow
def test_processes_that_are_killed_leave_their_batches_and_no_worker(folder, seen):
    with subprocess.Popen([sys.executable, "-c", TWO, str(folder)], cwd=PROJECT) as process:
        until(lambda: (folder / "state").is_dir() and len(kept(folder)) >= 3)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(workers) >= 2
    until(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers))
    whole = [path for path in kept(folder) if path.suffix == ".h5"]
    assert 3 <= len(whole) < IMAGES + 1
    assert find(folder, "again.h5", batch_size=1) == 0
    assert len(seen) == IMAGES + 1 - len(whole)
    must_be_as_from_nothing(folder, "again.h5", batch_size=1)


def until(true: Callable[[], bool], seconds: int = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)
