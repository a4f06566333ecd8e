"""Images of human parsers: what their numbers mean under a scheme, and how pixels become cells."""

import json
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from parsing.config import Scheme
from parsing.conversion.config import BodyPart
from parsing.conversion.part_images import FINE_PARTS, label_of_numbers, majority_labels, one_hot
from parsing.ground_truth import Truth
from parsing.schemes import UNKNOWN, part_scheme
from parsing.store import FieldFile, LabelFile
from tests.converting import LIP, convert, problems, write_images
from tests.labelling import FIVE, LABELS, SIZE, stage

KEYS = ["query/a.png", "query/b.png"]


def write_png(path: Path, numbers: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(numbers.astype(np.uint8))
    if palette:
        image.putpalette(list(range(255, -1, -1)) * 3)
    image.save(path)


def label(folder: Path, scheme: dict = FIVE, size: tuple[int, int] = SIZE, parser: dict = LIP, **labels: str) -> int:
    """Exit status of stage convert-parts after convert."""
    source = {"kind": "part_png", "path": str(folder / "labels"), "file": "{stem}.png", "size": size, "parser": "lip"}
    names = {"scheme": scheme, "scheme_name": "five", "labels": LABELS | labels}
    config = names | {"labels_from": source, "parser": parser}
    return stage("convert-parts", config=config, fields=folder / "fields.h5", labels=folder / "labels.h5")


def test_every_name_of_a_part_is_explained():
    assert set(FINE_PARTS) | {"background", "unknown"} == set(get_args(BodyPart))


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("five", {0: 0, 1: 1, 3: 2, 5: 3, 9: 4, 10: UNKNOWN, 14: 2, 15: 2, 16: 4, 18: 5, 200: UNKNOWN}),
        ("eight", {0: 0, 1: 1, 3: UNKNOWN, 5: 4, 9: UNKNOWN, 14: 2, 15: 3, 16: 5, 17: 6, 18: 7, 19: 8}),
        ("five_v", {1: 1, 5: 2, 14: UNKNOWN, 9: 4, 18: 5}),  # upper and lower arms are in different bands
    ],
)
def test_numbers_become_the_parts_of_a_scheme(config, scheme, expected):
    table = label_of_numbers(LIP, part_scheme(config.schemes[scheme]))
    assert {number: table[number] for number in expected} == expected


def test_the_parsers_of_the_configuration_name_all_their_numbers(config):
    classes = {"lip": 20, "cihp": 20, "atr": 18, "pascal": 7}
    assert set(config.parsers) == set(classes)
    for name, parser in config.parsers.items():
        assert sorted(number for numbers in parser.values() for number in numbers) == list(range(classes[name]))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(16, 8), (13, 40), (7, 5), (2, 3)]))
def test_a_cell_has_the_commonest_label_of_its_pixels(seed, pixels):
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, UNKNOWN], np.uint8), pixels)
    found = majority_labels(labels, (16, 8))  # 4 x 2 cells
    finer = max(-(-pixels[0] // 4), -(-pixels[1] // 2))
    for row in range(4):
        for column in range(2):
            votes = Counter(
                int(labels[int((y + 0.5) * pixels[0] / (4 * finer)), int((x + 0.5) * pixels[1] / (2 * finer))])
                for y in range(row * finer, (row + 1) * finer)
                for x in range(column * finer, (column + 1) * finer)
            )
            wanted = min(label for label, count in votes.items() if count == max(votes.values()))
            assert found[row, column] == wanted or (found == UNKNOWN).all()


def test_whole_blocks_are_kept_as_they_are():
    labels = np.random.default_rng(0).integers(0, 6, (16, 8), np.uint8)
    for scale in (1, 3, 4):
        np.testing.assert_array_equal(majority_labels(labels.repeat(scale, 0).repeat(scale, 1), SIZE), labels)


def test_confidences_are_one_hot():
    hot = one_hot(np.array([[0, 1], [2, UNKNOWN]], np.uint8), 2)
    assert hot.dtype == np.uint8
    assert hot.tolist() == [[[0, 255], [0, 0]], [[0, 0], [255, 0]]]


@pytest.mark.parametrize("palette", [False, True])
def test_images_become_labels(tmp_path, palette):
    write_images(tmp_path, KEYS)
    numbers = np.zeros((32, 16), np.uint8)  # half as fine as the images
    numbers[2:10, 4:12], numbers[10:20, 4:12], numbers[20:, 4:12] = 13, 5, 10
    write_png(tmp_path / "labels/a.png", numbers, palette)
    write_png(tmp_path / "labels/b.png", np.zeros((32, 16)), palette)
    assert convert(tmp_path, kind="part_png", file="{stem}.png", parser="lip") == 0
    assert label(tmp_path) == 0
    file = LabelFile(tmp_path / "labels.h5")
    wanted = np.zeros((16, 8), np.uint8)
    wanted[1:5, 2:6], wanted[5:10, 2:6], wanted[10:, 2:6] = 1, 3, UNKNOWN
    np.testing.assert_array_equal(file.label_map(KEYS[0]), wanted)
    np.testing.assert_array_equal(file.confidences(KEYS[0]), one_hot(wanted, 5))
    assert (file.label_map(KEYS[1]) == UNKNOWN).all()
    assert (file.statuses, file.part_names) == (["ok", "nobody"], list(FIVE["parts"]))
    fields = FieldFile(tmp_path / "fields.h5")
    assert (fields.statuses, fields.size(KEYS[0]), problems(tmp_path)) == (["ok", "nobody"], SIZE[::-1], {})


def test_a_missing_image_follows_the_policy(tmp_path, capsys):
    write_images(tmp_path, KEYS)
    write_png(tmp_path / "labels/a.png", np.full((32, 16), 13))
    assert convert(tmp_path, kind="part_png", file="{stem}.png", parser="lip") == 0
    assert label(tmp_path) == 1
    assert "query/b.png (no label file" in capsys.readouterr().err
    assert not (tmp_path / "labels.h5").exists()
    assert label(tmp_path, unreadable="leave_out") == 0
    file = LabelFile(tmp_path / "labels.h5")
    assert file.statuses == ["ok", "unreadable"]
    assert (file.label_map(KEYS[1]) == UNKNOWN).all()


def test_the_true_parts_of_drawn_people_are_perfect_labels(people, tmp_path):
    truth = Truth(people.truth)
    parser = {name: [number] for number, name in enumerate(truth.part_names)}
    for key in truth.keys:
        write_png(tmp_path / "labels" / f"{Path(key).stem}.png", truth.parts(key))
    source = {"kind": "part_png", "path": str(tmp_path / "labels"), "file": "{stem}.png", "parser": "drawn"}
    source["size"] = list(truth.size)
    config = {"root": str(people.root), "labels_from": source, "parser": parser}
    assert stage("convert", config=config, manifest=people.manifest, fields=tmp_path / "fields.h5") == 0
    assert label(tmp_path, size=list(truth.size), parser=parser) == 0
    outputs = {"report": tmp_path / "qc.json", "table": tmp_path / "qc.csv", "sheet": tmp_path / "qc.png"}
    inputs = {"labels": tmp_path / "labels.h5", "fields": tmp_path / "fields.h5", "truth": people.truth}
    assert stage("quality", config={"root": str(people.root)}, manifest=people.manifest, **inputs, **outputs) == 0
    report = json.loads(outputs["report"].read_text())
    assert report["truth"]["part_iou"]["mean"] > 0.8  # a majority is not the block's centre
    assert set(report["status"]) <= {"ok", "nobody"}
    scheme = part_scheme(Scheme.model_validate_json(json.dumps(FIVE)))
    assert LabelFile(tmp_path / "labels.h5").mirrored == list(scheme.mirrored)
