"""The quality report and its contact sheet, on rendered people whose labels are known to be right or wrong."""

import csv
import json
import re
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from parsing.config import Gate
from parsing.ground_truth import Truth
from parsing.quality.contact_sheet import COLOURS, overlaid
from parsing.quality.report import at_cells
from parsing.schemes import UNKNOWN
from parsing.store import LabelFile, write_labels
from tests.labelling import FIVE, stage, write_field_rows
from tests.pages import blocks_of
from tests.people import COARSE

ORDER = list(FIVE["parts"])  # that of COARSE, too


@pytest.fixture(scope="module")
def labelled(people, tmp_path_factory):
    """Labels and skeletons that are the truth itself, but for one image that could not be read."""
    folder = tmp_path_factory.mktemp("quality")
    true, truth = LabelFile(people.labels), Truth(people.truth)
    coarse = np.array([next((n for n, fine in enumerate(COARSE.values(), 1) if part in fine), 0) for part in range(13)])
    bad, sure = true.keys[0], true.keys[1]
    rows, fields = [], []
    for key in true.keys:
        centres = truth.parts(key)[2::4, 2::4]  # of the 4 x 4 blocks
        labels = np.full(true.grid, UNKNOWN, np.uint8) if key == bad else coarse[centres].astype(np.uint8)
        status, problem = ("unreadable", "no such file") if key == bad else ("ok", "")
        confidences = true.confidences(key) * (key != bad)
        row = {"key": key, "status": status, "labels": labels, "confidences": confidences}
        rows.append(row | {"person": None if key == bad else 0, "ambiguity": 0.75 * (key == sure)})
        skeletons = np.zeros((4, 17, 3), np.float32)
        found = truth.people(key)[0]
        skeletons[0] = np.where(found[:, 2:] == 2, found * [1, 1, 0.45], 0) * (key != bad)
        fields.append(
            {"key": key, "status": status, "problem": problem, "skeletons": skeletons, "size": (64, 128), "sha256": ""}
            | {"confidences": np.zeros((36, 9, 5), np.uint8)}
        )
    provenance = {"config": {"scheme": FIVE}}
    write_labels(folder / "labels.h5", true.grid, ORDER, list(range(6)), len(rows), rows, provenance)
    write_field_rows(folder / "fields.h5", fields)
    return folder, bad


def report(people, labelled, **truth: object) -> dict:
    folder, _ = labelled
    outputs = {"report": folder / "qc.json", "table": folder / "qc.csv", "sheet": folder / "qc.png"}
    inputs = {"manifest": people.manifest, "labels": folder / "labels.h5", "fields": folder / "fields.h5"}
    assert stage("quality", config={"root": str(people.root)}, **inputs, **truth, **outputs) == 0
    return json.loads(outputs["report"].read_text())


def test_true_labels_are_found_perfect(people, labelled):
    found = report(people, labelled, truth=people.truth)
    assert found["truth"]["part_iou"] == {"mean": 1, "background": 1} | dict.fromkeys(ORDER, 1)
    assert (found["truth"]["pck"], found["truth"]["found"]) == (1, 1)
    assert found["truth"]["images"] == found["images"] - 1
    assert found["status"]["unreadable"] == 1
    assert found["problems"] == {labelled[1]: "no such file"}
    assert found["worst"][0] == labelled[1]
    assert 3 < found["visible_parts"] < 5
    assert (found["unreadable"], found["ambiguous"]) == (1 / found["images"],) * 2


def test_the_table_has_a_row_for_each_image_and_the_worst_comes_first(people, labelled):
    found, (folder, bad) = report(people, labelled), labelled
    with open(folder / "qc.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows][: len(found["worst"])] == found["worst"]
    assert len(rows) == found["images"]
    empty = {"target": "", "people": "0", "visible_parts": "0", "labelled": "0.0", "problem": "no such file"}
    assert empty.items() <= rows[0].items()
    assert {row["target"] for row in rows[1:]} == {"0"}
    assert [row["ambiguity"] for row in rows if row["key"] != bad].count("0.75") == 1
    mean = np.mean([int(row["visible_parts"]) for row in rows])
    assert mean == pytest.approx(found["visible_parts"])


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"labelled": 1.0}, r"labelled is 0\.9\d+, less than 1"),
        ({"visible_parts": 5.0}, r"visible_parts is [34]\.\d+, less than 5"),
        ({"unreadable": 0.0}, r"unreadable is 0\.\d+, more than 0"),
        ({"ambiguous": 0.0}, r"ambiguous is 0\.\d+, more than 0"),
        ({"labelled": 1.0, "ambiguous": 0.0}, r"labelled is .*; ambiguous is "),
    ],
)
def test_labels_that_miss_a_limit_do_not_pass(labelled, tmp_path, capsys, limits, says):
    assert gate(labelled[0], tmp_path, **limits) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(rf"labels\.h5: the labels of mine are not good enough to train on: {says}", error)
    assert "change datasets.mine.gate" in error
    assert not (tmp_path / "passed.txt").exists()


def test_labels_within_all_limits_pass_with_the_same_bytes(labelled, tmp_path):
    assert gate(labelled[0], tmp_path) == 0
    anything = (tmp_path / "passed.txt").read_bytes()
    assert (
        gate(labelled[0], tmp_path, labelled=0.5, visible_parts=1.0, unreadable=0.5, too_small=0.0, ambiguous=0.5) == 0
    )
    assert (tmp_path / "passed.txt").read_bytes() == anything


def test_the_page_s_error_is_what_the_gate_says(labelled, config, tmp_path, monkeypatch, capsys):
    """Of a dataset of whose images it would find 31 % labelled, under the limits of config.yaml."""
    (block,) = blocks_of(__file__)
    parsing = tmp_path / "results/own/parsing"
    shutil.copytree(labelled[0], parsing)
    monkeypatch.chdir(tmp_path)
    found = {"labelled": 0.31, "visible_parts": 4, "unreadable": 0, "too_small": 0, "ambiguous": 0}
    monkeypatch.setattr("parsing.stages.gate.coverage", lambda *_: (found, []))
    paths = {
        "labels": "results/own/parsing/labels.h5",
        "fields": "results/own/parsing/fields.h5",
        "passed": "passed.txt",
    }
    assert stage("gate", config={"name": "own", "gate": config.labels.gate.model_dump()}, **paths) == 1
    said = capsys.readouterr().err.replace("labels.h5", "five.h5").replace("labels.qc", "five.qc")
    assert said.startswith(" ".join(block.code.split()).removesuffix("…"))


def gate(folder, output, **limits: float) -> int:
    """Exit status of stage gate on the labels of `folder`."""
    limits = dict.fromkeys(Gate.model_fields) | limits
    paths = {"labels": folder / "labels.h5", "fields": folder / "fields.h5", "passed": output / "passed.txt"}
    return stage("gate", config={"name": "mine", "gate": limits}, **paths)


def test_wrong_labels_are_not(people, labelled, tmp_path):
    folder, bad = labelled
    swapped = np.array([0, 2, 1, 3, 4, 0, *[UNKNOWN] * 250], np.uint8)  # head and arms exchanged, no feet
    file = LabelFile(folder / "labels.h5")
    rows = [
        {"key": key, "status": file.status(key), "labels": swapped[file.label_map(key)], "person": file.person(key)}
        | {"confidences": file.confidences(key)}
        for key in file.keys
    ]
    shutil.copy(folder / "fields.h5", tmp_path)
    write_labels(tmp_path / "labels.h5", file.grid, ORDER, list(range(6)), len(rows), rows, file.provenance)
    iou = report(people, (tmp_path, bad), truth=people.truth)["truth"]["part_iou"]
    assert (iou["head"], iou["arms"], iou["feet"]) == (0, 0, 0)
    assert (iou["torso"], iou["legs"]) == (1, 1)
    assert iou["mean"] == pytest.approx(0.4)
    assert 0.9 < iou["background"] < 1


def test_without_truth_there_is_a_sheet_all_the_same(people, labelled):
    found = report(people, labelled)
    assert "truth" not in found
    with Image.open(labelled[0] / "qc.png") as sheet:
        assert sheet.width > 1000
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24)}
    assert tuple(COLOURS[4].astype(int)) in colours  # legend


def test_labels_are_laid_over_their_place():
    image = Image.new("RGB", (8, 16), (100, 100, 100))
    labels = np.array([[0, 1], [UNKNOWN, 2]], np.uint8)
    pixels = np.asarray(overlaid(image, labels))
    assert pixels[0, 0].tolist() == [100, 100, 100]
    assert pixels[0, 7].tolist() == np.round(0.4 * 100 + 0.6 * COLOURS[0]).tolist()
    assert pixels[15, 7].tolist() == np.round(0.4 * 100 + 0.6 * COLOURS[1]).tolist()
    assert pixels[15, 0].tolist() == [117, 117, 117]


def test_cells_take_the_pixel_at_their_centre():
    picture = np.arange(16 * 8).reshape(16, 8)
    np.testing.assert_array_equal(at_cells(picture, (4, 2)), picture[2::4, 2::4])


def test_a_truth_that_is_none(people, labelled, tmp_path, capsys):
    with h5py.File(tmp_path / "truth.h5", "w") as file:
        file["key"] = ["a"]
    folder, _ = labelled
    paths = {"labels": folder / "labels.h5", "fields": folder / "fields.h5", "truth": tmp_path / "truth.h5"}
    outputs = {"report": tmp_path / "qc.json", "table": tmp_path / "qc.csv", "sheet": tmp_path / "qc.png"}
    assert stage("quality", config={"root": str(people.root)}, manifest=people.manifest, **paths, **outputs) == 1
    assert "truth.h5: holds no ground truth" in capsys.readouterr().err
    assert not outputs["report"].exists()
