"""The files of the label stages: what is written is read, by key, in any process."""

import pickle
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artefacts.errors import UserError
from parsing.store import FieldFile, LabelFile, write_labels
from tests.labelling import GRID, field_row, write_field_rows

KEYS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), unique=True)


def label_row(key: str, seed: int = 0, parts: int = 2, grid: tuple[int, int] = (6, 3)) -> dict:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, parts + 1, grid, np.uint8)
    return {"key": key, "status": "ok", "labels": labels, "confidences": rng.integers(0, 256, (parts, *grid), np.uint8)}


def write(path: Path, rows: list[dict]) -> None:
    write_labels(path, (6, 3), ["top", "bottom"], [0, 2, 1], len(rows), rows, {"made": "by hand"})


@settings(max_examples=25, deadline=None)
@given(keys=KEYS)
def test_rows_are_read_as_they_were_written(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("store") / "labels.h5"
    rows = [label_row(key, seed) for seed, key in enumerate(sorted(keys))]
    write(path, rows)
    file = LabelFile(path)
    assert (len(file), file.keys) == (len(keys), sorted(keys))
    assert (file.part_names, file.mirrored, file.provenance) == (["top", "bottom"], [0, 2, 1], {"made": "by hand"})
    for number, row in enumerate(rows):
        assert file.index(row["key"]) == number
        assert file.status(row["key"]) == "ok"
        np.testing.assert_array_equal(file.label_map(row["key"]), row["labels"])
        np.testing.assert_array_equal(file.confidences(row["key"]), row["confidences"])


def test_fields_are_read_as_they_were_written(tmp_path):
    rows = [field_row("a.jpg", seed=1), field_row("b.jpg", "unreadable", problem="no such file")]
    write_field_rows(tmp_path / "fields.h5", rows)
    file = FieldFile(tmp_path / "fields.h5")
    assert (file.stride, file.input_size, file.grid, file.checkpoint_sha256) == (8, (64, 32), GRID, "0" * 64)
    for row in rows:
        key = row["key"]
        np.testing.assert_array_equal(file.confidences(key), row["confidences"])
        np.testing.assert_array_equal(file.skeletons(key), row["skeletons"])
        assert (file.status(key), file.problem(key), file.size(key)) == (row["status"], row["problem"], row["size"])


def test_equal_content_gives_equal_bytes(tmp_path):
    rows = [label_row(f"{number:02d}.jpg", number) for number in range(20)]
    for name in ("first.h5", "second.h5"):
        write(tmp_path / name, rows)
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
    write(tmp_path / "third.h5", [*rows[:-1], label_row("19.jpg", 99)])
    assert (tmp_path / "first.h5").read_bytes() != (tmp_path / "third.h5").read_bytes()


def test_the_file_is_plain_hdf5_with_one_image_a_chunk(tmp_path):
    write(tmp_path / "labels.h5", [label_row("a"), label_row("b")])
    with h5py.File(tmp_path / "labels.h5") as file:
        assert file["labels"].chunks == (1, 6, 3)
        assert file["confidences"].chunks == (1, 2, 6, 3)


def first_map(file: LabelFile, start: object, answers: object) -> None:
    start.wait()
    answers.put([file.label_map(key).tolist() for key in file.keys])


def test_forked_processes_share_a_file_that_was_read_before(tmp_path):
    write(tmp_path / "labels.h5", [label_row(f"{number:03d}", number) for number in range(50)])
    file = LabelFile(tmp_path / "labels.h5")
    expected = [file.label_map(key).tolist() for key in file.keys]
    context = get_context("fork")
    start, answers = context.Event(), context.Queue()
    workers = [context.Process(target=first_map, args=(file, start, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.set()
    assert [answers.get(timeout=60) for _ in workers] == [expected, expected]
    for worker in workers:
        worker.join()


def test_a_copy_by_pickle_reads_the_same(tmp_path):
    write(tmp_path / "labels.h5", [label_row("a", 5)])
    file = LabelFile(tmp_path / "labels.h5")
    copy = pickle.loads(pickle.dumps(file))
    file.close()
    np.testing.assert_array_equal(copy.label_map("a"), file.label_map("a"))


def test_an_unknown_key_is_named(tmp_path):
    write(tmp_path / "labels.h5", [label_row("a")])
    file = LabelFile(tmp_path / "labels.h5")
    assert "a" in file
    assert "b" not in file
    with pytest.raises(UserError, match=r"labels\.h5: has no image 'b'"):
        file.label_map("b")


@pytest.mark.parametrize("keys", [["b", "a"], ["a", "a"], ["a"]])
def test_rows_that_are_unsorted_repeated_or_missing_leave_no_file(tmp_path, keys):
    rows = [label_row(key) for key in keys]
    with pytest.raises(ValueError, match=r"labels\.h5"):
        write_labels(tmp_path / "labels.h5", (6, 3), ["top", "bottom"], [0, 2, 1], 2, rows, {})
    assert list(tmp_path.iterdir()) == []
