"""Tables: means, spreads and run counts as worked out by hand, beside the paper's numbers."""

import csv
import io
import re

import pytest

from artefacts.errors import UserError
from reid.config import Table
from reid.tables import comma_separated, lines, markdown, published_lines, tex

ROWS = [
    {"label": "BPBReID & co", "dataset": "occluded_duke", "model": "resnet50", "matching": "default"},
    {"label": "BPBReID & co", "dataset": "market1501", "model": "resnet50", "matching": "default"},
    {"label": "BoT", "dataset": "occluded_duke", "model": "bot", "matching": "global"},
]


def metrics(model="resnet50", dataset="occluded_duke", matching="default", **by_seed):
    """A metrics.json with rank-1 by seed; mAP is half of it."""
    values = {seed.removeprefix("seed"): value for seed, value in by_seed.items()}
    results = {
        "rank-1": {"values": values},
        "mAP": {"values": {seed: value / 2 for seed, value in values.items()}},
    }
    seeds = [int(seed) for seed in values]
    return {"dataset": dataset, "model": model, "matching": matching, "seeds": seeds, "results": {matching: results}}


def cells(table, rows):
    """Rows of the Markdown table, without its ruler."""
    ruled = [line for line in markdown(table, rows).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [ruled[0], *ruled[2:]]]


def test_mean_spread_and_runs():
    """0.6, 0.7, 0.8: mean 70 %, sample standard deviation 10 %."""
    table = Table(title="One", rows=[ROWS[0], ROWS[2]])
    header, ours, other = cells(table, lines(table, [metrics(seed1=0.6, seed2=0.7, seed3=0.8)]))
    assert header == ["Method", "R-1", "mAP", "runs"]
    assert ours == ["BPBReID & co", "70.0 ± 10.0", "35.0 ± 5.0", "3"]
    assert other == ["BoT", "not run", "not run", "0"]


def test_one_run_has_no_spread():
    table = Table(title="One", rows=ROWS[:1])
    assert cells(table, lines(table, [metrics(seed4=0.5)]))[1] == ["BPBReID & co", "50.0", "25.0", "1"]


def test_seeds_of_the_table_are_the_ones_counted():
    table = Table(title="One", rows=ROWS[:1], seeds=[2, 3, 9])
    rows = lines(table, [metrics(seed1=0.1, seed2=0.6, seed3=0.8)])
    assert cells(table, rows)[1] == ["BPBReID & co", "70.0 ± 14.1", "35.0 ± 7.1", "2 of 3"]


def test_rows_of_one_label_share_a_line_across_datasets():
    table = Table(title="Two", rows=ROWS)
    rows = lines(table, [metrics(seed1=0.6), metrics(dataset="market1501", seed1=0.9)])
    header, ours, other = cells(table, rows)
    assert header[1:] == [f"{d} {n}" for d in ("occluded_duke", "market1501") for n in ("R-1", "mAP", "runs")]
    assert ours == ["BPBReID & co", "60.0", "30.0", "1", "90.0", "45.0", "1"]
    assert other == ["BoT", "not run", "not run", "0", "–", "–", "–"]


def test_published_rows_stand_first():
    table = Table(title="Ablation", rows=ROWS[:1], published="table2")
    rows = cells(table, lines(table, []))
    assert rows[2] == ["BPBReID", "66.7", "54.1", "published"]
    assert rows[3] == ["w/o learnable attention", "–", "39.2", "published"]
    assert rows[-1][0] == "BPBReID & co"
    assert "the R-1 without learnable attention could not be read" in markdown(table, [])


@pytest.mark.parametrize(
    ("table", "dataset", "label", "expected"),
    [
        ("table1", "market1501", "BPBReID, HRNet-W32", {"rank-1": [95.7], "mAP": [89.4]}),
        ("table1", "p_dukemtmc", "LDS [35], global", {"rank-1": [91.9], "mAP": [82.9]}),
        ("table3", "occluded_duke", "f_6 (feet)", {"rank-1": [16.1], "mAP": [9.0]}),
    ],
)
def test_published_numbers_are_the_paper_s(table, dataset, label, expected):
    assert dict(published_lines(table, [dataset]))[label][dataset].values == expected


def test_published_rows_without_a_number_for_our_datasets_are_left_out():
    labels = [label for label, _ in published_lines("table1", ["market1501"])]
    assert "HOReID [5], parts" in labels
    assert "VGTri [32], parts" not in labels


@pytest.mark.parametrize(("dataset", "found"), [("occluded_duke_six", 11), ("occluded", 0), ("my_occluded_duke", 0)])
def test_variants_of_a_dataset_stand_beside_its_published_numbers(dataset, found):
    assert len(published_lines("table3", [dataset])) == found


def test_a_matching_that_was_not_evaluated_is_an_error():
    table = Table(title="One", rows=[ROWS[0] | {"matching": "each/hat"}])
    with pytest.raises(UserError, match=r"'each/hat'; add it to models.resnet50.also, or choose one of default"):
        lines(table, [metrics(seed1=0.5)])


def test_csv_holds_all_of_it_in_numbers():
    table = Table(title="One", rows=ROWS)
    rows = list(csv.DictReader(io.StringIO(comma_separated(lines(table, [metrics(seed1=0.6, seed2=0.7)])))))
    assert [row["runs"] for row in rows] == ["2", "0", "0"]
    assert (rows[0]["rank-1"], rows[0]["rank-1 spread"], rows[0]["mINP"]) == ("65.000", "7.071", "")


def test_tex_escapes_what_it_must():
    table = Table(title="100 % of a_b", rows=ROWS[:1], published="table2")
    text = tex(table, lines(table, [metrics(seed1=0.6, seed2=0.7)]))
    assert "BPBReID \\& co & 65.0 $\\pm$ 7.1" in text
    assert not re.search(r"(?<!\\)[%_#]", text)
    assert text.count(" \\\\\n") == 1 + 5 + 1
