"""The whole workflow on a few drawn people, with the real stages and the shipped PifPaf network."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("artefacts", "envs", "parsing", "reid", "resources", "workflow")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after a run on 12 identities, one epoch."""
    folder = tmp_path_factory.mktemp("demo")
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    config["datasets"]["synthetic"]["synthetic"] |= {"identities": 12, "images": 6, "distractors": 4}
    config["models"]["small"]["training"] |= {"epochs": 1, "identities": 3, "images": 2}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(PROJECT / "paper.yaml", folder)
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def snakemake(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--resources", "gpu=2"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)


def test_the_table_has_a_number_in_every_row(finished):
    with open(finished / "results/tables/demo.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert (finished / "results/tables/demo.md").read_text().count("|") > 12


def test_metrics_hold_every_matching_of_the_model(finished):
    metrics = json.loads((finished / "results/synthetic/small/metrics.json").read_text())
    assert {"default", "no_visibility", "each/global", "each/head"} <= set(metrics["results"])
    assert 0 < metrics["results"]["default"]["mAP"]["mean"] <= 1


@pytest.mark.parametrize("picture", ["parsing/five.qc.png", "small/ranking.png", "small/attention.png"])
def test_pictures_can_be_opened(finished, picture):
    with Image.open(finished / "results/synthetic" / picture) as image:
        image.load()


def test_nothing_half_written_is_left(finished):
    assert not list(finished.rglob("*.part"))
    assert not list((finished / "results/synthetic/parsing").glob("fields/*"))
    assert not [path for path in (finished / "state").rglob("*") if path.suffix not in ("", ".lock")]


def test_a_second_run_does_nothing(finished):
    result = snakemake(finished)
    assert "Nothing to be done" in result.stdout + result.stderr
