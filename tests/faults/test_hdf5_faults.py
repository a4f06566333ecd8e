"""Every reason why an HDF5 file cannot be opened has its own line, and no message says to delete a sound file."""

import errno
import fcntl
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from artefacts.errors import UserError
from artefacts.hdf5 import open_hdf5
from parsing.ground_truth import Truth
from parsing.store import FieldFile
from reid.embeddings.store import reading
from reid.report.provenance import recorded
from reid.synthetic.dataset import RenderedTruth, write_truth
from tests.embeddings import fabricate, write
from tests.labelling import field_row, write_field_rows


def fields(path: Path) -> None:
    write_field_rows(path, [field_row("a.jpg", seed=1)])


def truth(path: Path) -> None:
    write_truth(path, ["a.jpg"], [RenderedTruth(np.zeros((3, 17, 3), np.float32), np.zeros((8, 4), np.uint8), 1)], 0)


def few_embeddings(path: Path) -> None:
    write(path, fabricate(1, 5), fabricate(2, 6))


def embeddings(path: Path) -> object:
    with reading(path) as file:
        return file.query.identity


OPENERS = {"fields": (fields, FieldFile), "truth": (truth, Truth), "embeddings": (few_embeddings, embeddings)}
OPENERS |= {"record": (fields, recorded)}
opener = pytest.mark.parametrize("kind", OPENERS)


def refusal(kind: str, path: Path) -> str:
    with pytest.raises(UserError) as error:
        OPENERS[kind][1](path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path, kind) -> Path:
    OPENERS[kind][0](tmp_path / "file.h5")
    return tmp_path / "file.h5"


@opener
def test_a_file_that_is_held_by_another_program(path, kind):
    with open(path, "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert refusal(kind, path).startswith(f"process {os.getpid()} (")
        assert "holds it open for writing; wait for it" in refusal(kind, path)
        assert "delete" not in refusal(kind, path)
    OPENERS[kind][1](path)


@opener
def test_a_file_system_without_locks(tmp_path, kind, monkeypatch):
    class Unlocked(h5py.File):
        def __init__(self, name, mode="r", locking=None, **options):
            if locking is not False:
                raise OSError(errno.ENOLCK, "unable to lock file, errno = 37, error message = 'No locks available'")
            super().__init__(name, mode, locking=locking, **options)

    monkeypatch.setattr(h5py, "File", Unlocked)
    write, read = OPENERS[kind]
    write(tmp_path / "file.h5")
    read(tmp_path / "file.h5")


@opener
def test_a_file_without_permission(path, kind, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(h5py, "File", denied)
    monkeypatch.setattr("builtins.open", denied)
    assert refusal(kind, path) == "permission to read it is denied; ask its owner for it, or use chmod"


@opener
def test_a_folder(tmp_path, kind):
    (tmp_path / "file.h5").mkdir()
    assert refusal(kind, tmp_path / "file.h5").startswith("is a folder; give the file that ")


@opener
def test_a_missing_file(tmp_path, kind):
    assert refusal(kind, tmp_path / "file.h5").startswith("no such file; run ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (lambda whole: whole[:60], "is truncated; delete it and run embed again"),
        (lambda whole: whole[:-1], "is truncated; delete it and run embed again"),
        (lambda whole: b"", "is truncated; delete it and run embed again"),
        (lambda whole: b"key,sha256\n" * 99, "is not an HDF5 file; give the file that embed wrote"),
    ],
)
def test_truncated_files_alone_are_to_be_deleted(tmp_path, content, line):
    path = tmp_path / "file.h5"
    few_embeddings(path)
    path.write_bytes(content(path.read_bytes()))
    assert refusal("embeddings", path) == line


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_not_the_file_s_fault(tmp_path, monkeypatch, number):
    def failing(*_, **__):
        raise OSError(number, "file read failed")

    monkeypatch.setattr(h5py, "File", failing)
    with pytest.raises(UserError, match=rf"cannot be read \({os.strerror(number)}\); see to its disk and try again"):
        open_hdf5(tmp_path / "file.h5", "embed")
