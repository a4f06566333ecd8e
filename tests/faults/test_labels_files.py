"""Files that are not what they seem are refused by name and reason, before a row is read."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from artefacts.errors import UserError
from parsing.integrity import USER_BLOCK, sealed
from parsing.store import FieldFile, LabelFile
from tests.labelling import field_row, write_field_rows


@pytest.fixture
def fields(tmp_path) -> Path:
    path = tmp_path / "fields.h5"
    write_field_rows(path, [field_row(f"{number:02d}.jpg", seed=number) for number in range(10)])
    return path


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.h5: no such file; run the label stages first"):
        FieldFile(tmp_path / "none.h5")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file(fields, share):
    content = fields.read_bytes()
    fields.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"fields\.h5: is (truncated|not a file of this project)"):
        FieldFile(fields)


def test_a_file_with_something_appended(fields):
    fields.write_bytes(fields.read_bytes() + b"x")
    with pytest.raises(UserError, match="was added to"):
        FieldFile(fields)


@pytest.mark.parametrize("place", [USER_BLOCK, 5000, -1])
def test_one_changed_byte(fields, place):
    content = bytearray(fields.read_bytes())
    content[place] ^= 1
    fields.write_bytes(content)
    with pytest.raises(UserError, match=r"fields\.h5: is damaged"):
        FieldFile(fields)


@pytest.mark.parametrize("content", [b"", b"key,status\n", b"[]" + b" " * 600, b'{"schema": 1}', bytes(range(256)) * 9])
def test_a_foreign_file(tmp_path, content):
    (tmp_path / "foreign.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"foreign\.h5: is not a file of this project's label stages"):
        LabelFile(tmp_path / "foreign.h5")


def test_foreign_hdf5(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["labels"] = [1, 2, 3]
    with pytest.raises(UserError, match=r"foreign\.h5: is not a file of this project's label stages"):
        LabelFile(tmp_path / "foreign.h5")


def test_fields_where_labels_are_wanted(fields):
    with pytest.raises(UserError, match=r"fields\.h5: holds pifpaf fields where part labels are wanted"):
        LabelFile(fields)


def test_another_version(fields):
    content = fields.read_bytes()
    seal = json.loads(content[:USER_BLOCK]) | {"version": 99}
    fields.write_bytes(json.dumps(seal).encode().ljust(USER_BLOCK) + content[USER_BLOCK:])
    with pytest.raises(UserError, match="has schema version 99"):
        FieldFile(fields)


def test_a_writer_that_fails_leaves_the_last_file(fields):
    before = fields.read_bytes()

    def rows():
        yield field_row("00.jpg")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_field_rows(fields, rows(), count=2)
    assert fields.read_bytes() == before
    assert [path.name for path in fields.parent.iterdir()] == ["fields.h5"]


def reforged(path: Path, change) -> Path:
    """A file with a seal that fits, whose content was changed."""
    schema = json.loads(path.read_bytes()[:USER_BLOCK])["schema"]
    with sealed(path.with_name("forged.h5"), schema) as forged:
        with h5py.File(path) as file:
            for name in file:
                file.copy(name, forged)
            forged.attrs.update(file.attrs)
        change(forged)
    return path.with_name("forged.h5")


def put(name, **arguments):
    def change(file):
        del file[name]
        file.create_dataset(name, **arguments)

    return change


def linked(file):
    del file["skeletons"]
    file["skeletons"] = h5py.ExternalLink("/etc/passwd", "/skeletons")


FORGED = {
    "/confidences claims .* numbers an image, more than anybody needs": put(
        "confidences", shape=(10, 36, 10**6, 10**6), dtype="u1", chunks=(1, 1, 100, 100)
    ),
    "/key claims shape .* but holds less": put("key", shape=(10**12,), dtype="S9", chunks=(100,)),
    "/skeletons is missing, or a link to another place": linked,
    "/sha256 holds int64, expected texts": put("sha256", data=list(range(10))),
    "/problem holds object, expected texts of a fixed length": put(
        "problem", data=["a"] * 10, dtype=h5py.string_dtype()
    ),
    "/size has shape .*, expected": put("size", data=[[1, 2]] * 9, dtype="i4"),
    "its attribute stride is neither a number nor a text": lambda file: file.attrs.update(stride="8"),
    "invalid literal for int": lambda file: file.attrs.update(stride=np.bytes_("nothing")),
}


@pytest.mark.parametrize("reason", FORGED)
def test_a_forged_file_is_refused_before_memory_is_given(fields, reason):
    with pytest.raises(UserError, match=rf"forged\.h5: holds no pifpaf fields \(.*{reason}"):
        FieldFile(reforged(fields, FORGED[reason]))
