"""`reid compare`: the distance of two images, what each part says, and how likely they show one person."""

import csv
import json
import re

import numpy as np
import pyarrow.parquet
import pytest

import reid
from reid.__main__ import main
from reid.checkpoints.pack_format import Calibration
from reid.commands.compare import COLUMNS
from reid.search.calibration import at_prior, false_match_rate
from tests.packs import write
from tests.unit.reid.commands.conftest import KNOTS


def compare(first, second, pack, *words) -> int:
    return main(["compare", str(first), str(second), "--model", str(pack), "--device", "cpu", *words])


def test_the_mean_of_what_the_parts_say_is_the_distance(photos, pack, capsys):
    assert compare(photos / "0.jpg", photos / "1.jpg", pack) == 0
    printed = capsys.readouterr().out
    seen = reid.load(pack, "cpu").embed([photos / "0.jpg", photos / "1.jpg"])
    rows = [re.split(r"  +", line) for line in printed.splitlines()[2 : 2 + len(seen.compared)]]
    assert [row[0] for row in rows] == seen.compared
    both = seen.visibility.all(axis=0)
    assert [row[1] != "not compared" for row in rows] == list(both)
    assert [row[2:] for row in rows] == [["yes" if one else "no" for one in column] for column in seen.visibility.T]
    distance = float(re.search(r"^distance: (\S+),", printed, re.MULTILINE).group(1))
    assert distance == pytest.approx(np.mean([float(row[1]) for row in rows if row[1] != "not compared"]), abs=2e-4)
    assert f"mean of {both.sum()} of {len(both)} embeddings" in printed
    assert "same person: unknown, this model is not calibrated" in printed


def test_a_calibrated_model_says_how_likely(photos, calibrated, capsys):
    assert compare(photos / "0.jpg", photos / "0.jpg", calibrated) == 0
    assert compare(photos / "0.jpg", photos / "1.jpg", calibrated, "--prior", "0.01") == 0
    same, different = re.findall(
        r"^same person: (\S+)%, if (\S+)% without looking", capsys.readouterr().out, re.MULTILINE
    )
    assert float(same[0]) > 99
    assert float(different[0]) < 50
    assert (same[1], different[1]) == ("50.0", "1.0")


def test_the_lowest_false_match_rate_that_a_distance_keeps_to_is_said(photos, config, tmp_path, capsys):
    knots = KNOTS | {"thresholds": {"1e-2": 5.0, "1e-3": 0.5, "1e-4": None}}
    known = write(tmp_path / "known", config, calibration=Calibration(**knots))
    assert compare(photos / "0.jpg", photos / "0.jpg", known) == 0
    assert "false match rate: 1e-3 or less" in capsys.readouterr().out
    told = Calibration(**knots)
    assert [false_match_rate(told, distance) for distance in (0.5, 0.6, 5.1)] == ["1e-3", "1e-2", None]


def test_rows_by_ending(photos, config, tmp_path, capsys):
    """A row an embedding, as printed, and one of all; JSON, CSV and Parquet hold the same."""
    knots = KNOTS | {"thresholds": {"1e-2": 500.0, "1e-3": 0.5, "1e-4": None}}
    known = write(tmp_path / "known", config, calibration=Calibration(**knots))
    files = [tmp_path / f"rows{ending}" for ending in (".json", ".csv", ".parquet")]
    for file in files:
        assert compare(photos / "0.jpg", photos / "1.jpg", known, "--prior", "0.01", "--output", str(file)) == 0
    rows = json.loads(files[0].read_text())
    assert [list(row) for row in rows] == [list(COLUMNS)] * len(rows)
    assert [(row["a"], row["b"]) for row in rows] == [(str(photos / "0.jpg"), str(photos / "1.jpg"))] * len(rows)
    seen = reid.load(known, "cpu").embed([photos / "0.jpg", photos / "1.jpg"])
    assert [row["embedding"] for row in rows] == [*seen.compared, "all"]
    assert [[row["visible_in_a"], row["visible_in_b"]] for row in rows[:-1]] == seen.visibility.T.tolist()
    assert [row["distance"] is not None for row in rows[:-1]] == list(seen.visibility.all(axis=0))
    assert rows[-1]["distance"] == pytest.approx(seen[:1].distances(seen[1:])[0, 0], abs=1e-4)
    assert f"same person: {rows[-1]['probability']:.1%}, if 1.0%" in capsys.readouterr().out
    assert [row["false_match_rate"] for row in rows] == [None] * len(seen.compared) + [0.01]
    assert pyarrow.parquet.read_table(files[2]).to_pylist() == rows
    written = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in rows]
    assert list(csv.DictReader(files[1].open())) == written
    assert compare(photos / "0.jpg", photos / "1.jpg", known, "--output", str(tmp_path / "rows.txt")) == 1
    assert "rows.txt: unknown ending; let the name end in .json or .csv or .parquet" in capsys.readouterr().err


def test_the_prior_is_bayes_rule():
    same, different, prior = 0.3, 0.05, 0.02  # densities of a distance among both kinds of pairs
    expected = same * prior / (same * prior + different * (1 - prior))
    assert at_prior(np.array([same / (same + different)]), prior)[0] == pytest.approx(expected)
    np.testing.assert_allclose(at_prior(np.array([0.0, 0.4, 1.0]), 0.5), [0.0, 0.4, 1.0])


def test_what_is_wrong_is_one_line(photos, pack, tmp_path, capsys):
    (tmp_path / "torn.jpg").write_bytes(b"torn")
    for second, says in (
        (tmp_path / "torn.jpg", "torn.jpg: cannot be read (no image that Pillow knows)"),
        (tmp_path / "none.jpg", "none.jpg: no such image or folder"),
        (photos, "photos: holds 4 images; name one"),
    ):
        assert compare(photos / "0.jpg", second, pack) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert says in line
    with pytest.raises(SystemExit):
        compare(photos / "0.jpg", photos / "1.jpg", pack, "--prior", "1")
