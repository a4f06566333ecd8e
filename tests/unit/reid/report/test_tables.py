"""Tables: means, spreads and run counts as worked out by hand, next to the paper's numbers."""

import csv
import io
import re

import pytest

from artefacts.errors import UserError
from reid.config.root import Table
from reid.report.table_formats import comma_separated, markdown, tex
from reid.report.tables import lines, published, published_lines

ROWS = [
    {"label": "BPBReID & co", "dataset": "occluded_duke", "model": "resnet50", "matching": "default"},
    {"label": "BPBReID & co", "dataset": "market1501", "model": "resnet50", "matching": "default"},
    {"label": "BoT", "dataset": "occluded_duke", "model": "bot", "matching": "global"},
]


def metrics(model="resnet50", dataset="occluded_duke", matching="default", **by_seed):
    """A metrics.json with rank-1 by seed; mAP is half of it. Trained by recipe paper, 64 images a batch."""
    values = {seed.removeprefix("seed"): value for seed, value in by_seed.items()}
    results = {
        "rank-1": {"values": values},
        "mAP": {"values": {seed: value / 2 for seed, value in values.items()}},
    }
    seeds = [int(seed) for seed in values]
    trained = {"recipe": "paper", "batch_size": 64}
    known = {"dataset": dataset, "model": model, "matching": matching, "seeds": seeds} | trained
    return known | {"results": {matching: results}}


def cells(table, rows):
    """Rows of the Markdown table, without its ruler."""
    ruled = [line for line in markdown(table, rows, []).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [ruled[0], *ruled[2:]]]


def test_mean_spread_and_runs():
    """0.6, 0.7, 0.8: mean 70 %, sample standard deviation 10 %."""
    table = Table(title="One", rows=[ROWS[0], ROWS[2]])
    header, ours, other = cells(table, lines(table, [metrics(seed1=0.6, seed2=0.7, seed3=0.8)]))
    assert header == ["Method", "R-1", "mAP", "runs", "batch", "recipe"]
    assert ours == ["BPBReID & co", "70.0 ± 10.0", "35.0 ± 5.0", "3", "64", "paper"]
    assert other == ["BoT", "not run", "not run", "0", "–", "–"]


def test_one_run_has_no_spread():
    table = Table(title="One", rows=ROWS[:1])
    assert cells(table, lines(table, [metrics(seed4=0.5)]))[1][:4] == ["BPBReID & co", "50.0", "25.0", "1"]


def test_seeds_of_the_table_are_the_ones_counted():
    table = Table(title="One", rows=ROWS[:1], seeds=[2, 3, 9])
    rows = lines(table, [metrics(seed1=0.1, seed2=0.6, seed3=0.8)])
    assert cells(table, rows)[1][:4] == ["BPBReID & co", "70.0 ± 14.1", "35.0 ± 7.1", "2 of 3"]


def test_rows_of_one_label_share_a_line_across_datasets():
    table = Table(title="Two", rows=ROWS)
    rows = lines(table, [metrics(seed1=0.6), metrics(dataset="market1501", seed1=0.9)])
    header, ours, other = cells(table, rows)
    assert header[1:-3] == [f"{d} {n}" for d in ("occluded_duke", "market1501") for n in ("R-1", "mAP")]
    assert ours == ["BPBReID & co", "60.0", "30.0", "90.0", "45.0", "1", "64", "paper"]
    assert other == ["BoT", "not run", "not run", "–", "–", "0", "–", "–"]


def test_a_row_may_have_several_datasets():
    both = [ROWS[0] | {"dataset": ["occluded_duke", "market1501"]}, ROWS[2]]
    known = [metrics(seed1=0.6), metrics(dataset="market1501", seed1=0.9)]
    assert lines(Table(title="Two", rows=both), known) == lines(Table(title="Two", rows=ROWS), known)


def test_runs_batch_sizes_and_recipes_of_a_line_are_all_named():
    other = metrics(dataset="market1501", seed1=0.9, seed2=0.8) | {"batch_size": 32, "recipe": "official"}
    table = Table(title="Two", rows=ROWS[:2])
    assert cells(table, lines(table, [metrics(seed1=0.6), other]))[1][-3:] == ["1, 2", "64, 32", "paper, official"]


def test_ours_is_marked_where_it_is_farther_from_the_published_number_than_the_tolerance():
    """BPBReID of Table 2: R-1 66.7, mAP 54.1; on the tolerance itself there is no mark."""
    row = {"label": "BPBReID", "dataset": "occluded_duke", "model": "resnet50", "matching": "default"}
    ours = metrics()
    ours["results"]["default"] = {"rank-1": {"values": {"1": 0.657}}, "mAP": {"values": {"1": 0.5519}}}
    ours["seeds"] = [1]
    for tolerance, shown in (
        (1.0, ["65.7", "55.2 (+1.1)"]),
        (0.9, ["65.7 (-1.0)", "55.2 (+1.1)"]),
        (1.1, ["65.7", "55.2"]),
    ):
        table = Table(title="Two", rows=[row], published="table2", tolerance=tolerance)
        assert cells(table, lines(table, [ours]))[-1][1:3] == shown
        assert f"where there are more than {tolerance}" in markdown(table, [], [])
    (line,) = csv.DictReader(io.StringIO(comma_separated(lines(table, [ours])[-1:])))
    assert (line["rank-1 difference"], line["mAP difference"], line["outside"]) == ("-1.000", "1.090", "")
    unmarked = Table(title="Two", rows=[row], published="table2")
    assert cells(unmarked, lines(unmarked, [ours]))[-1][1:3] == ["65.7", "55.2"]


def test_a_row_may_name_the_published_row_that_it_repeats():
    row = ROWS[0] | {"published": "BPBReID"}
    table = Table(title="Two", rows=[row], published="table2", tolerance=1.0)
    assert cells(table, lines(table, [metrics(seed1=0.7)]))[-1][:3] == ["BPBReID & co", "70.0 (+3.3)", "35.0 (-19.1)"]
    table = Table(title="Two", rows=[row | {"published": "PBBReID"}], published="table2")
    with pytest.raises(
        UserError, match=r"'BPBReID & co': the paper has no row 'PBBReID'; it has BoT \[14\] baseline, BPB"
    ):
        lines(table, [])


def test_a_published_row_without_the_number_is_compared_in_the_other():
    row = ROWS[0] | {"label": "w/o learnable attention"}
    table = Table(title="Two", rows=[row], published="table2", tolerance=1.0)
    assert cells(table, lines(table, [metrics(seed1=0.5)]))[-1][1:3] == ["50.0", "25.0 (-14.2)"]


def test_gains_over_the_row_of_reference_are_paired_by_seed():
    """0.5, 0.6 against 0.4, 0.6, 0.9: 10 and 0 points of rank-1, 5 and 0 of mAP; seed 3 has no partner."""
    rows = [ROWS[0] | {"label": "all"}, ROWS[2] | {"label": "less"}, ROWS[2] | {"label": "none", "model": "pcb"}]
    table = Table(title="Three", rows=rows, reference="less")
    known = [metrics(seed2=0.6, seed1=0.5), metrics(model="bot", matching="global", seed1=0.4, seed2=0.6, seed3=0.9)]
    found = lines(table, known)
    header, *shown = cells(table, found)
    assert header[:5] == ["Method", "R-1", "mAP", "Δ mAP", "runs"]
    assert [line[3] for line in shown] == ["+2.5 ± 3.5", "–", "–"]
    assert "points above less, seed by seed" in markdown(table, found, [])
    assert "$\\Delta$ mAP" in tex(table, found, [])
    gains = [line["mAP gain"] for line in csv.DictReader(io.StringIO(comma_separated(found)))]
    assert gains == ["2.500", "", ""]


def test_published_rows_are_compared_with_the_published_reference():
    table = Table(title="Two", rows=[ROWS[0] | {"label": "BPBReID"}], published="table2", reference="BPBReID")
    shown = {line[0]: line[3] for line in cells(table, lines(table, [metrics(seed1=0.9)]))}
    assert shown["w/o visibility scores"] == "-8.8"
    assert shown["BPBReID"] == "–"


def test_what_is_missing_is_said():
    table = Table(title="One", rows=ROWS[:1])
    assert "Not run, missing: data/occluded_duke, data/a.pth." in markdown(
        table, [], ["data/occluded_duke", "data/a.pth"]
    )
    assert "missing" not in markdown(table, [], [])


def test_published_rows_stand_first():
    table = Table(title="Ablation", rows=ROWS[:1], published="table2")
    rows = cells(table, lines(table, []))
    assert rows[2] == ["BPBReID", "66.7", "54.1", "published", "–", "–"]
    assert rows[3][:4] == ["w/o learnable attention", "–", "39.2", "published"]
    assert rows[-1][0] == "BPBReID & co"
    assert "the R-1 without learnable attention could not be read" in markdown(table, [], [])


@pytest.mark.parametrize(
    ("table", "dataset", "label", "expected"),
    [
        ("table1", "market1501", "BPBReID, HRNet-W32", {"rank-1": 95.7, "mAP": 89.4}),
        ("table1", "p_dukemtmc", "LDS [35], global", {"rank-1": 91.9, "mAP": 82.9}),
        ("table3", "occluded_duke", "f_6 (feet)", {"rank-1": 16.1, "mAP": 9.0}),
        ("table4", "occluded_duke", "PCB, its own losses (row 2)", {"rank-1": 51.2, "mAP": 40.8}),
    ],
)
def test_published_numbers_are_the_paper_s(table, dataset, label, expected):
    result = dict(published_lines(table, [dataset]))[label][dataset]
    assert {measure: result.mean(measure) for measure in result.values} == expected


def test_all_numbers_of_the_paper_s_tables_that_can_be_read_are_there():
    """Two a cell of Table 1 (74 cells), one of Table 2's lost; of Table 4, PCB's twelve rows and BPBReID's first."""
    given = {
        name: sum(number is not None for row in rows for of in list(row.values())[1:] for number in of)
        for name, rows in published()["tables"].items()
    }
    assert given == {"table1": 148, "table2": 9, "table3": 22, "table4": 26}


def test_published_rows_without_a_number_for_our_datasets_are_left_out():
    labels = [label for label, _ in published_lines("table1", ["market1501"])]
    assert "HOReID [5], parts" in labels
    assert "VGTri [32], parts" not in labels


def test_later_methods_stand_last_and_name_their_sources():
    table = Table(title="All", rows=[ROWS[1]], published="table1", tolerance=1.0)
    found = lines(table, [metrics(dataset="market1501", seed1=0.9)])
    shown = {line[0]: line[1:4] for line in cells(table, found)}
    assert shown["KPR (2024), SOLIDER"] == ["96.6", "93.3", "later"]
    assert shown["ProFD (2024), CLIP"] == ["–", "90.8", "later"]
    ours, later = list(shown).index("BPBReID & co"), [label for label, line in shown.items() if line[2] == "later"]
    assert list(shown)[ours + 1 :] == later
    assert "DROP (2024), 384x128" not in later  # has no number for Market-1501
    note = markdown(table, found, []).splitlines()[-1]
    assert "configs/kpr/solider of VlSomers/keypoint_promptable_reidentification" in note
    assert "shuguang-52/DROP" not in note
    assert all(row["source"] for row in published()["later"]["table1"])
    assert not [line for line in cells(Table(title="2", rows=ROWS[:1], published="table2"), []) if "later" in line]


@pytest.mark.parametrize(("dataset", "found"), [("occluded_duke_six", 11), ("occluded", 0), ("my_occluded_duke", 0)])
def test_variants_of_a_dataset_stand_beside_its_published_numbers(dataset, found):
    assert len(published_lines("table3", [dataset])) == found


def test_a_matching_that_was_not_evaluated_is_an_error():
    table = Table(title="One", rows=[ROWS[0] | {"matching": "each/hat"}])
    with pytest.raises(UserError, match=r"'each/hat'; add it to models.resnet50.extra_matchings, or choose one"):
        lines(table, [metrics(seed1=0.5)])


def test_csv_holds_all_of_it_in_numbers():
    table = Table(title="One", rows=ROWS)
    rows = list(csv.DictReader(io.StringIO(comma_separated(lines(table, [metrics(seed1=0.6, seed2=0.7)])))))
    assert [row["runs"] for row in rows] == ["2", "0", "0"]
    assert [(row["recipe"], row["batch size"]) for row in rows] == [("paper", "64"), ("", ""), ("", "")]
    assert (rows[0]["rank-1"], rows[0]["rank-1 spread"], rows[0]["mINP"]) == ("65.000", "7.071", "")


def test_tex_escapes_what_it_must():
    table = Table(title="100 % of a_b", rows=ROWS[:1], published="table2")
    text = tex(table, lines(table, [metrics(seed1=0.6, seed2=0.7)]), [])
    assert "BPBReID \\& co & 65.0 $\\pm$ 7.1" in re.sub(" +", " ", text)
    assert not re.search(r"(?<!\\)[%_#]", text)
    assert text.count(" \\\\\n") == 1 + 5 + 1
