"""Labels made worse on purpose: moved as a whole, parts dropped, and measured against the truth."""

import json

import numpy as np
import pytest
import yaml

from benchmarks import attention
from parsing.store import LabelFile
from reid.config.files import CONFIGURATION, read_configuration


def maps() -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((16, 8), np.uint8)
    labels[4:8, 2:5], labels[8:12, 2:5] = 1, 2
    return labels, attention.one_hot(labels, 2)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (-4, 1), (40, 0), (0, -40)])
def test_maps_move_as_in_a_loop(down, right):
    given = np.random.default_rng(0).integers(1, 9, (2, 6, 5)).astype(np.uint8)
    expected = np.zeros_like(given)
    for y in range(6):
        for x in range(5):
            if 0 <= y - down < 6 and 0 <= x - right < 5:
                expected[:, y, x] = given[:, y - down, x - right]
    assert np.array_equal(attention.moved(given, down, right), expected)


def test_labels_and_confidences_stay_together():
    given = maps()
    for seed in range(20):
        labels, confidences = attention.degraded(*given, 0.1, 0.5, np.random.default_rng(seed))
        assert np.array_equal(attention.one_hot(labels, 2), confidences)
    assert not np.shares_memory(labels, given[0])
    assert all(map(np.array_equal, attention.degraded(*given, 0.0, 0.0, np.random.default_rng(1)), given))


def test_more_drop_drops_more():
    dropped = [
        [
            2 - len(np.unique(attention.degraded(*maps(), 0.0, drop, np.random.default_rng(seed))[0]))
            for seed in range(30)
        ]
        for drop in (0.2, 0.6)
    ]
    assert np.sum(dropped[0]) < np.sum(dropped[1])
    assert all(less <= more for less, more in zip(*dropped, strict=True))


def test_lines_cross_where_one_overtakes_the_other():
    points = [(0.5, 40.0, 60.0), (0.1, 40.0, 20.0), (0.3, 40.0, 36.0)]
    table = [{"part IoU": iou, "one": one, "other": other} for iou, one, other in points]
    assert attention.crossings(table, "one", "other") == pytest.approx([0.3 + 0.2 * 4 / 24])
    assert attention.crossings(table[1:], "one", "other") == []


@pytest.fixture
def run(people, tmp_path, monkeypatch):
    """A run of rendered people as the workflow leaves it, and a configuration that trains for a moment."""
    folder = tmp_path / "results" / "tiny"
    (folder / "parsing").mkdir(parents=True)
    (folder / "source").symlink_to(people.root)
    (folder / "manifest.csv").symlink_to(people.manifest)
    (folder / "parsing/five.h5").symlink_to(people.labels)
    small = {"backbone": {"weights": None}, "training": {"epochs": 1, "warmup_epochs": 0, "milestones": []}}
    small["training"] |= {"ids_per_batch": 2, "images_per_id": 2}
    entry = people.entry | {"scheme": "five", "pifpaf": "small"}
    override = tmp_path / "tiny.yaml"
    override.write_text(yaml.safe_dump({"datasets": {"tiny": entry}, "models": {"small": small}}))
    return folder, override


def test_labels_of_the_truth_overlap_it_and_shifted_ones_less(run):
    folder, override = run
    config = read_configuration([*CONFIGURATION, override])
    ious = [attention.write_degraded(config, folder, point, folder / f"{point}.h5") for point in attention.POINTS]
    assert ious[0] == 1
    assert ious[1] > ious[2] > ious[3] > ious[4] > 0
    assert LabelFile(folder / "strong.h5").keys == LabelFile(folder / "parsing/five.h5").keys


@pytest.mark.slow
def test_both_kinds_of_attention_are_trained_and_searched(run, monkeypatch, capsys):
    folder, override = run
    report = folder / "report.json"
    words = ["attention.py", str(folder), "--configfile", str(override), "--points", "strong", "--report", str(report)]
    monkeypatch.setattr("sys.argv", words)
    attention.main()
    (row,) = json.loads(report.read_text())
    assert row.keys() == {"labels", "part IoU", "small", "small_fixed_attention"}
    assert 0 < row["small"] <= 1
    assert 0 < row["small_fixed_attention"] <= 1
    printed = capsys.readouterr().out
    assert "| strong" in printed
    assert "they cross" not in printed
    assert "fixed" in report.with_suffix(".svg").read_text()
