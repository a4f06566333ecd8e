"""The command of the README on a dataset in Occluded-Duke's layout, with the real HRNet-W32, from images to metrics."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from artefacts.command import run
from tests.configuration import copy_configuration
from tests.workflow.conftest import COPIED, PROJECT, real_run

pytestmark = pytest.mark.slow
TARGET = "results/occluded_duke/hrnet/metrics.json"
PEOPLE = {
    "seed": 3,
    "identities": 8,
    "images": 6,
    "cameras": 3,
    "distractors": 2,
    "junk": 0,
    "width": 64,
    "height": 128,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with a few rendered people at data/occluded_duke, and one short epoch from scratch."""
    folder = tmp_path_factory.mktemp("mission")
    for name in (*COPIED, "resources"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    config["datasets"]["occluded_duke"] |= {"pifpaf": "small", "seeds": [1], "expected": {}}
    config["models"]["hrnet"] |= {"training": {"epochs": 1, "ids_per_batch": 4, "images_per_id": 2, "warmup_epochs": 0}}
    config["models"]["hrnet"]["backbone"]["weights"] = None
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    copy_configuration(folder)
    draw(folder / "data/occluded_duke")
    return folder


def draw(root: Path) -> None:
    """People in the folders of Occluded-Duke, under names such as 0005_c2_f0046985.jpg."""
    config = json.dumps({"synthetic": PEOPLE | {"crowd": 0.2, "occlusion": 0.6}})
    paths = {"index": root / "index.csv", "truth": root / "truth.h5"}
    arguments = ["--config", config, *(word for name, path in paths.items() for word in (f"--{name}", str(path)))]
    assert run("reid", {"draw": ""}, ["draw", *arguments]) == 0
    for image in root.glob("*/*.jpg"):
        identity, camera, frame = re.match(r"(\d{4})_c(\d)s\d_(\d{6})", image.name).groups()
        image.rename(image.with_name(f"{identity}_c{camera}_f0{frame}.jpg"))
    for path in paths.values():
        path.unlink()


def test_the_command_ends_with_metrics(project):
    result = real_run(project, "--", TARGET)
    assert result.returncode == 0, result.stdout + result.stderr
    metrics = json.loads((project / TARGET).read_text())
    assert 0 < metrics["results"]["default"]["mAP"]["values"]["1"] <= 1
    assert {"default", "no_visibility"} <= set(metrics["results"])
