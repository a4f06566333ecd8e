"""What `benchmarks/processes.py` makes of what it measures, and the datasets that it makes up."""

import argparse
import json

import pytest

from benchmarks import processes
from benchmarks.datasets.market1501 import fabricate
from benchmarks.report import missed
from reid.stages import check, manifest
from tests.conftest import PROJECT


def test_speed_is_that_of_the_later_three_quarters():
    slow_to_start = [10.0, 20.0, 20.5, 21.0, 21.5, 22.0, 22.5, 23.0]
    assert processes.rate(slow_to_start, 64) == pytest.approx(64 / 0.5)


def test_processes_are_held_to_what_as_many_copies_do_in_the_same_turn():
    """Three turns; the machine is busy in the second of them."""
    speeds = {(0, 1): [100, 10, 100], (1, 1): [99, 9.8, 110], (0, 2): [180, 20, 180], (2, 1): [150, 17, 153]}
    told = {name: iter(rates) for name, rates in speeds.items()}
    rows = processes.compare("loader", [1, 2], 3, lambda work, number, copies=1: next(told[number, copies]))
    assert [row["ratio"] for row in rows] == pytest.approx([0.99, 0.85, 1.8])
    assert [(row["theirs"], row["ours"]) for row in rows[:2]] == [(1000 / 100, 1000 / 99), (1000 / 180, 1000 / 150)]
    assert missed(rows) == ["training loader, 2 processes, ms an image next to copies"]


def test_a_step_that_takes_too_long_misses_its_limit():
    rows = [processes.at_most(str(seconds), {"cpu_s": seconds}) for seconds in (19.9, 20.1)]
    assert missed(rows) == ["20.1, CPU s at most"]


def test_a_dataset_that_is_made_up_has_nothing_wrong_with_it(tmp_path):
    fabricate(tmp_path / "images", 80)
    told = {"name": "x", "dataset": {"reader": "market1501", "root": str(tmp_path / "images"), "expected": {}}}
    told["dataset"]["expected"] = {"train": 40, "query": 4, "gallery": 36}
    run(manifest, told, manifest=tmp_path / "manifest.csv")
    assert len({line.split(",")[6] for line in (tmp_path / "manifest.csv").read_text().splitlines()[1:]}) == 80
    told = {"name": "x", "allow": [], "unreadable": "fail"}
    run(check, told, manifest=tmp_path / "manifest.csv", report=tmp_path / "p.md", accepted=tmp_path / "accepted.txt")
    assert (tmp_path / "accepted.txt").read_text() == ""


def run(stage, told: dict, **files) -> None:
    """A stage, as from its command line."""
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    stage.run(parser.parse_args(["--config", json.dumps(told), *words]))


@pytest.mark.slow
def test_everything_is_measured_in_small(tmp_path, monkeypatch):
    report = tmp_path / "processes.json"
    words = "--processes 1 2 --batches 4 --turns 1 --images 40".split()
    monkeypatch.setattr("sys.argv", ["processes.py", *words, "--report", str(report)])
    monkeypatch.chdir(PROJECT)
    with pytest.raises(SystemExit):  # so few batches may be under target
        processes.main()
    rows = {row["what"]: row for row in json.loads(report.read_text())["rows"]}
    for name in ("manifest", "check of the protocol", "dry run"):
        row = rows[f"40 images, {name}, CPU s at most"]
        assert 0.1 < row["ours"] < 20
        assert row["ratio"] == pytest.approx(20 / row["ours"])
    for work in ("stage fields", "training loader"):
        assert {f"{work}, {count}, ms an image next to copies" for count in ("1 process", "2 processes")} <= set(rows)
