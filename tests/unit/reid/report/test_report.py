"""Curves and pages show the numbers that they are given."""

import csv
import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from artefacts.errors import UserError
from artefacts.files import sha256_of
from artefacts.hdf5 import write_attribute
from reid.report.comparison import ComparedRow, cmc_curves, pooled, precision_by_parts
from reid.report.curves import training_curves
from reid.report.pages import Cell, page, table
from reid.report.provenance import artefacts, jobs, recorded
from reid.report.reliability import reliability_curves
from tests.people import stage


def report_of(seed: int, shift: float = 0.0) -> dict:
    """A report of the evaluate stage, another for each seed."""
    rise = np.sort(np.random.default_rng(seed).random(50))
    return {
        "measures": {"mAP": 0.3 + shift},
        "cmc": rise.tolist(),
        "by_visible_parts": [
            {"visible_parts": 2, "queries": 10 * seed, "mAP": 0.2 + shift, "rank-1": 0.5},
            {"visible_parts": 3, "queries": 30, "mAP": 0.6, "rank-1": 0.5},
        ],
        "by_mutually_visible_parts": [{"visible_parts": 1, "pairs": 7, "precision": 0.25}],
    }


ROWS = [
    ComparedRow("baseline", "one", False, [report_of(1)]),
    ComparedRow("ours", "one", True, [report_of(1), report_of(3, 0.1)]),
    ComparedRow("ours", "two", True, [report_of(5)]),
]


def test_a_cmc_curve_is_the_mean_over_seeds_in_a_band():
    first, second = cmc_curves(ROWS, "title").axes
    assert (first.get_title(), second.get_title()) == ("one", "two")
    baseline, ours = first.lines
    both = 100 * np.array([report["cmc"] for report in ROWS[1].reports])
    np.testing.assert_allclose(ours.get_ydata(), both.mean(axis=0))
    assert ours.get_xdata().tolist() == list(range(1, 51))
    band = first.collections[1].get_paths()[0].vertices
    assert {both.min(), both.max()} <= set(band[:, 1])
    assert [text.get_text() for text in first.get_legend().texts] == ["baseline (mAP 30.0)", "ours (mAP 35.0)"]
    assert baseline.get_color() != ours.get_color() == second.lines[0].get_color()


def test_a_reliability_curve_is_drawn_of_each_seed_that_has_one():
    curve = [{"predicted": 0.1, "observed": 0.2, "pairs": 4}, {"predicted": 0.9, "observed": 0.7, "pairs": 5}]
    known = report_of(1) | {"reliability": {"curve": curve, "error": 0.1}}
    rows = [ComparedRow("ours", "two", True, [known, known | {"reliability": None}]), *ROWS]  # ROWS: earlier files
    (axis,) = reliability_curves(rows, "title").axes
    assert axis.get_title() == "two"
    _, line = axis.lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0.1, 0.9], [0.2, 0.7])
    (empty,) = reliability_curves(ROWS, "title").axes
    assert empty.texts[0].get_text() == "no row at hand has a reliability curve"


def test_precision_by_parts_pools_the_seeds_and_leaves_out_who_sees_no_parts():
    counts, means = pooled(ROWS[1].reports, "by_visible_parts", "queries", "mAP")
    assert counts == {2: 40, 3: 60}
    assert means == pytest.approx({2: (10 * 0.2 + 30 * 0.3) / 40, 3: 0.6})
    queries, pairs, *others = precision_by_parts(ROWS, "title").axes
    assert len(others) == 2
    (line,) = queries.lines
    np.testing.assert_allclose(line.get_ydata(), [27.5, 60])
    assert line.get_color() == cmc_curves(ROWS, "title").axes[0].lines[1].get_color()
    assert [tick.get_text() for tick in queries.get_xticklabels()] == ["2\n(40)", "3\n(60)"]
    assert pairs.lines[0].get_ydata().tolist() == [25]


@pytest.mark.parametrize("draw", [cmc_curves, precision_by_parts])
def test_a_table_with_nothing_to_draw_says_so(draw):
    (axis,) = draw([], "title").axes
    assert "at hand" in axis.texts[0].get_text()


def test_training_curves_have_a_line_a_seed_and_a_panel_a_column():
    columns = {"learning_rate": [0.1, 0.2], "triplet_parts": [3.0, 2.0], "identity_accuracy": [0.1, 0.2]}
    history = pd.DataFrame({"epoch": [1, 2], **columns})
    rate, triplet, accuracy = training_curves({1: history, 4: history * 2}, "title").axes
    assert (rate.get_title(), triplet.get_title()) == ("learning rate", "triplet loss, parts")
    assert (accuracy.get_title(), accuracy.get_ylim()) == ("identity accuracy of the batches", (0, 1))
    assert [line.get_ydata().tolist() for line in triplet.lines] == [[3, 2], [6, 4]]
    assert [text.get_text() for text in rate.get_legend().texts] == ["seed 1", "seed 4"]


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    history = tmp_path / "seed2/history.csv"
    history.parent.mkdir()
    history.write_text("epoch,loss\n1,0.5\n2,0.25\n")
    figures = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for figure in figures:
        assert stage("curves", config={"dataset": "d", "model": "m"}, histories=history, figure=figure) == 0
    assert figures[0].read_bytes() == figures[1].read_bytes()
    assert "<svg" in figures[0].read_text()


def test_a_broken_history_is_named(tmp_path, capsys):
    history = tmp_path / "seed1/history.csv"
    history.parent.mkdir()
    history.write_text("loss\n")
    options = {"config": {"dataset": "d", "model": "m"}, "histories": history, "figure": tmp_path / "f.svg"}
    assert stage("curves", **options) == 1
    assert f"error: {history}: has no epoch" in capsys.readouterr().err


def test_compare_finds_each_row_s_numbers(tmp_path, capsys):
    metrics = tmp_path / "one/m/seed1/each.json"
    metrics.parent.mkdir(parents=True)
    metrics.write_text(json.dumps({"results": {"head": report_of(1), "legs": {}}}))
    row = {"label": "a<b", "dataset": "one", "model": "m", "matching": "each/head", "seeds": [1], "sees_parts": True}
    with open(tmp_path / "table.csv", "w", newline="") as file:
        names = ["rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP"]
        spreads = [f"{name} spread" for name in names]
        header = ["label", "dataset", "model", "matching", "runs", *names, *spreads]
        numbers = [*["12.345"] * 5, "", "1.26", *[""] * 5]
        csv.writer(file).writerows([header, ["a<b", "one", "m", "each/head", "1", *numbers]])
    files = {name: tmp_path / f"{name}.out" for name in ("page", "cmc", "parts", "reliability")} | {
        "table": tmp_path / "table.csv"
    }
    assert stage("compare", config={"title": "T", "rows": [row]}, metrics=metrics, **files) == 0
    cells = re.findall(r"<td[^>]*>(.*?)</td>", files["page"].read_text())
    assert cells[0] == "a&lt;b"
    assert cells[5:] == ["12.3 ± 1.3", "12.3", "12.3", "12.3", "12.3", "–"]
    assert stage("compare", config={"title": "T", "rows": [row | {"seeds": [2]}]}, metrics=metrics, **files) == 1
    assert "error: one/m/seed2/each.json is not among the metrics" in capsys.readouterr().err


def test_jobs_are_what_snakemake_measured(tmp_path):
    (tmp_path / "people/small").mkdir(parents=True)
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    (tmp_path / "people/manifest.tsv").write_text(f"{head}1.5\t0:00:01\t64.0\t2.5\n")
    (tmp_path / "people/small/train.seed1.tsv").write_text(f"{head}3700.0\t1:01:40\t2048.0\t90.0\n")
    (tmp_path / "people/small/rank.tsv").write_text(f"{head}0.01\t0:00:00\tNA\tNA\n")
    got = jobs(tmp_path, ["people", "people/small", "absent"])
    assert [(job.name, job.seconds, job.processor, job.memory) for job in got] == [
        ("people/manifest", 1.5, 2.5, 64.0),
        ("people/small/train.seed1", 3700.0, 90.0, 2048.0),
    ]
    config = {"title": "T", "models": {"people": ["small"]}}
    assert stage("account", config=config, benchmarks=tmp_path, page=tmp_path / "a.html") == 0
    cells = re.findall(r"<td[^>]*>(.*?)</td>", (tmp_path / "a.html").read_text())
    assert cells[4:8] == ["people/small/train.seed1", "1:01:40.0", "0:01:30.0", "2,048"]
    assert cells[8:] == ["all jobs", "1:01:41.5", "0:01:32.5", "2,048"]


def record(**inputs) -> dict:
    sources = {name: {"file": path.name, "sha256": sha256_of(path)} for name, path in inputs.items()}
    return {"stage": "reid.stages.x", "code": "0f", "packages": {"numpy": "2"}, "inputs": sources}


def test_a_file_s_record_is_held_to_what_is_there(tmp_path, capsys):
    manifest, weights, model, file, metrics = (
        tmp_path / name for name in ("manifest.csv", "w.pth", "model.safetensors", "e.h5", "m.json")
    )
    manifest.write_text("rows")
    weights.write_text("weights")
    save_file({"w": torch.zeros(1)}, model, {"provenance": json.dumps(record(manifest=manifest, backbone=weights))})
    with h5py.File(file, "w") as opened:
        write_attribute(opened, "provenance", record(model=model, absent=model) | {"stage": "s"})
    metrics.write_text(json.dumps({"provenance": record(embeddings=file)}))
    made = [manifest, model, file, metrics]
    assert [one.path for one in artefacts(made, [weights])] == made[1:]
    assert [source.path for source in artefacts(made, [weights])[0].sources] == [manifest, weights]
    assert artefacts(made)[0].sources[1].path is None
    assert all(one.holds for one in artefacts(made))
    with h5py.File(file, "a") as opened:
        opened.attrs["changed"] = True
    assert [one.holds for one in artefacts(made)] == [True, True, False]
    config = {"title": "T", "models": {}}
    options = {"benchmarks": tmp_path, "page": tmp_path / "a.html"}
    assert stage("account", config=config, made=metrics, **options) == 0
    assert "embeddings (not at hand)" in (tmp_path / "a.html").read_text()


def test_what_carries_no_record_is_told_from_what_is_broken(tmp_path):
    for name, content in (("a.json", "{}"), ("a.csv", "x")):
        (tmp_path / name).write_text(content)
        assert recorded(tmp_path / name) is None
    for name in ("b.json", "b.h5", "b.safetensors"):
        (tmp_path / name).write_text("{")
        with pytest.raises(UserError, match=f"{name}: is (damaged|not an HDF5 file)"):
            recorded(tmp_path / name)


def test_pages_show_text_as_text():
    text = page("a & b", table(["<h>"], [["<script>", Cell("1", "number")]]))
    assert "<title>a &amp; b</title>" in text
    assert "<td>&lt;script&gt;</td>" in text
    assert '<td class="number">1</td>' in text
    assert "<script" not in text
