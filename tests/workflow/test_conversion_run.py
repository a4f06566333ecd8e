"""The real workflow on rendered people whose labels come from a pose estimator's JSON: here the true keypoints."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from parsing.ground_truth import Truth
from parsing.store import FieldFile, LabelFile
from tests.people import People
from tests.workflow.conftest import copy_with_tiny_demo, real_run

pytestmark = pytest.mark.slow
OWN = {
    "reader": "market1501",
    "root": "data/own",
    "scheme": "five",
    "labels_from": {"kind": "coco_json", "path": "data/own/keypoints.json", "size": [128, 64], "third": "visibility"},
}


@pytest.fixture(scope="module")
def finished(people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after it has trained on the dataset, one epoch."""
    folder = copy_with_tiny_demo(tmp_path_factory.mktemp("own"))
    shutil.copytree(people.root, folder / "data/own")
    truth = Truth(people.truth)
    found = [
        {"file_name": key, "keypoints": person.ravel().tolist()}
        for key, crowd in zip(truth.keys, truth.keypoints.astype(float), strict=True)
        for person in crowd
    ]
    (folder / "data/own/keypoints.json").write_text(json.dumps(found))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["datasets"]["own"] = OWN
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run = real_run(folder, "--", "results/own/small/metrics.json", "results/own/parsing/five.qc.png")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_every_image_has_labels_from_its_keypoints(finished):
    parsing = finished / "results/own/parsing"
    fields, labels = FieldFile(parsing / "fields.h5"), LabelFile(parsing / "five.h5")
    assert fields.keys == labels.keys
    assert fields.provenance["stage"] == "parsing.stages.convert"
    assert fields.provenance["config"]["labels_from"]["kind"] == "coco_json"
    assert {"ok", "several"} <= set(fields.statuses) <= {"ok", "several", "nobody"}
    report = json.loads((parsing / "five.qc.json").read_text())
    assert report["labelled"] > 0.9
    assert (parsing / "five.qc.png").stat().st_size > 10_000


def test_it_trains_and_is_evaluated_as_any_other(finished):
    metrics = json.loads((finished / "results/own/small/metrics.json").read_text())
    assert 0 < metrics["results"]["default"]["mAP"]["mean"] <= 1
