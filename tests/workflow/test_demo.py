"""The whole workflow on a few rendered people, with the real stages and the shipped PifPaf network."""

import csv
import json

import pytest
from PIL import Image

from reid import load
from tests.workflow.conftest import real_run

pytestmark = pytest.mark.slow


def test_the_table_has_a_number_in_every_row(tiny_demo):
    with open(tiny_demo / "results/tables/demo.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert (tiny_demo / "results/tables/demo.md").read_text().count("|") > 12


@pytest.mark.parametrize("model", ["small", "bot_small"])
def test_both_models_are_packed(tiny_demo, model):
    assert load(tiny_demo / f"results/synthetic/{model}/pack", "cpu").pack.name == f"synthetic/{model}"


def test_metrics_hold_every_matching_of_the_model(tiny_demo):
    metrics = json.loads((tiny_demo / "results/synthetic/small/metrics.json").read_text())
    assert {"default", "no_visibility", "each/global", "each/head"} <= set(metrics["results"])
    assert 0 < metrics["results"]["default"]["mAP"]["mean"] <= 1


@pytest.mark.parametrize("picture", ["parsing/five.qc.png", "small/ranking.png", "small/attention.png"])
def test_pictures_can_be_opened(tiny_demo, picture):
    with Image.open(tiny_demo / "results/synthetic" / picture) as image:
        image.load()


def test_nothing_half_written_is_left(tiny_demo):
    assert not list(tiny_demo.rglob("*.part"))
    assert not list((tiny_demo / "results/synthetic/parsing").glob("fields/*"))
    kept = {path.name for path in (tiny_demo / "state").rglob("*") if path.is_file()}
    assert kept == {"lock", "model.safetensors", "history.csv"}  # links to what was trained


def test_a_second_run_does_nothing(tiny_demo):
    result = real_run(tiny_demo)
    assert "Nothing to be done" in result.stdout + result.stderr
