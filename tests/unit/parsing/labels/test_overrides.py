"""Targets that a person named: stage labels with a CSV of points, and every way in which it can be wrong."""

import re

import numpy as np
import pytest

from parsing.schemes import UNKNOWN
from parsing.store import LabelFile
from tests.labelling import FIVE, LABELS, field_row, skeleton, stage, write_field_rows
from tests.pages import blocks_of


@pytest.fixture
def crowd(tmp_path):
    """a.jpg and b.jpg show two people, c.jpg no person; all are of 32x64 pixels."""
    rows = [field_row(key, "several") for key in ("a.jpg", "b.jpg", "c.jpg")]
    for row in rows[:2]:
        row["skeletons"][:2] = skeleton(0.2), skeleton(0.6)
    rows[2]["skeletons"][:] = 0
    write_field_rows(tmp_path / "fields.h5", rows)
    return tmp_path


def label(folder, table: str | None = None, **changes: str) -> int:
    """Exit status of stage labels, with this table of overrides."""
    paths = {"fields": folder / "fields.h5", "labels": folder / "labels.h5"}
    if table is not None:
        (folder / "targets.csv").write_text(table)
        paths["overrides"] = folder / "targets.csv"
    config = {"scheme": FIVE, "scheme_name": "five", "labels": LABELS | {"kind": "gated"} | changes}
    return stage("labels", config=config, **paths)


def test_a_person_decides_for_single_images(crowd):
    assert label(crowd) == 0
    policy = LabelFile(crowd / "labels.h5")
    assert [policy.person(key) for key in policy.keys] == [1, 1, None]
    assert policy.ambiguity("a.jpg") > 0.1
    expected = [policy.label_map(key) for key in policy.keys]
    policy.close()
    assert label(crowd, "key,x,y\na.jpg,6.5,10\n") == 0
    ours = LabelFile(crowd / "labels.h5")
    assert [ours.person(key) for key in ours.keys] == [0, 1, None]
    assert ours.ambiguity("a.jpg") == 0
    assert (ours.label_map("a.jpg") != expected[0]).any()
    np.testing.assert_array_equal(ours.label_map("b.jpg"), expected[1])
    assert "overrides" in ours.provenance["inputs"]
    assert ours.provenance["maps"] == {"checkpoint_sha256": "0" * 64, "input_size": [64, 32], "stride": 8}


def test_the_page_s_table_is_taken(tmp_path):
    """Of two people, the one of its point is the target in the first image; nobody in the second."""
    (block,) = blocks_of(__file__)
    (first, *_), (second, *_) = (line.split(",") for line in block.lines[1:])
    rows = [{**field_row(key, "several"), "size": (64, 128)} for key in (first, second)]
    for row in rows:
        row["skeletons"][:2] = skeleton(0.3), skeleton(0.7)
    write_field_rows(tmp_path / "fields.h5", rows)
    assert label(tmp_path, block.code) == 0
    ours = LabelFile(tmp_path / "labels.h5")
    assert [(ours.status(key), ours.person(key)) for key in (first, second)] == [("several", 1), ("nobody", None)]


def test_nobody_is_the_target(crowd):
    assert label(crowd, "key,x,y\nb.jpg,,\n\n") == 0
    ours = LabelFile(crowd / "labels.h5")
    assert (ours.label_map("b.jpg") == UNKNOWN).all()
    assert (ours.status("b.jpg"), ours.person("b.jpg")) == ("nobody", None)
    assert (ours.label_map("a.jpg") != UNKNOWN).any()


def test_another_policy_picks_another_person(crowd):
    assert label(crowd, target="score") == 0
    assert LabelFile(crowd / "labels.h5").person("a.jpg") == 0  # of equals the first


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", r"targets\.csv: its first line must be key,x,y"),
        ("key;x;y\n", r"targets\.csv: its first line must be key,x,y"),
        ("key,x,y\na.jpg,1\n", r"targets\.csv, line 2: has 2 values instead of key, x, y"),
        ("key,x,y\na.jpg,1,left\n", r"targets\.csv, line 2: '1', 'left' is no point"),
        ("key,x,y\na.jpg,nan,3\n", r"targets\.csv: a\.jpg: \(nan, 3\) lies outside of this image of 32x64"),
        ("key,x,y\na.jpg,1,2\na.jpg,,\n", r"targets\.csv, line 3: a\.jpg is listed twice"),
        ("key,x,y\nd.jpg,1,2\n", r"targets\.csv: d\.jpg: the dataset has no such image"),
        ("key,x,y\na.jpg,33,2\n", r"targets\.csv: a\.jpg: \(33, 2\) lies outside of this image of 32x64"),
        ("key,x,y\nc.jpg,3,2\n", r"targets\.csv: c\.jpg: no person was found in this image; remove the line"),
    ],
)
def test_a_wrong_table_is_refused_by_its_line(crowd, capsys, table, says):
    assert label(crowd, table) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(says, error), error
    assert not (crowd / "labels.h5").exists()
