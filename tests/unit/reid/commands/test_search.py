"""`reid search`: what is nearest, as a table, as rows and as a picture."""

import csv
import json
import re

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import reid
from reid.__main__ import main
from reid.checkpoints.pack_format import Calibration
from reid.evaluation.distance import part_to_part_distance
from reid.report.figures.ranking_sheet import CELL, GAP, RIGHT, THUMB, TITLE, WRONG
from reid.report.figures.search_sheet import search_sheet
from tests.packs import PARTS, write
from tests.unit.reid.commands.conftest import KNOTS


def search(query, gallery, pack, *words) -> int:
    shared = ["--gallery", str(gallery), "--model", str(pack), "--device", "cpu"]
    return main(["search", str(query), *shared, *map(str, words)])


def test_a_folder_and_its_features_are_searched_alike(photos, pack, tmp_path, capsys):
    assert search(photos / "1.jpg", photos, pack, "--top", "3", "--output", tmp_path / "hits.json") == 0
    printed = capsys.readouterr().out
    hits = json.loads((tmp_path / "hits.json").read_text())
    model = reid.load(pack, "cpu")
    query, gallery = model.embed([photos / "1.jpg"]), model.embed(sorted(photos.rglob("*.jpg")))
    order = np.argsort(query.distances(gallery)[0], kind="stable")[:3]
    assert [hit["image"] for hit in hits] == [gallery.names[image] for image in order]
    assert [hit["place"] for hit in hits] == [1, 2, 3]
    np.testing.assert_allclose([hit["distance"] for hit in hits], query.distances(gallery)[0, order], atol=1e-4)
    assert hits[0]["compared"] == [name for name, seen in zip(query.compared, query.visibility[0], strict=True) if seen]
    assert all(hit["image"] in printed and f"{hit['distance']:.4f}" in printed for hit in hits)
    assert "probability" not in printed
    assert main(["embed", str(photos), "--model", str(pack), "--output", str(tmp_path / "f.npz")]) == 0
    assert search(photos / "1.jpg", tmp_path / "f.npz", pack, "--top", "3", "--output", tmp_path / "same.json") == 0
    assert (tmp_path / "same.json").read_text() == (tmp_path / "hits.json").read_text()


@pytest.mark.parametrize(("rate", "hits"), [("1e-2", 4), ("1e-3", 0)])
def test_rows_by_ending(rate, hits, photos, config, tmp_path, capsys):
    """JSON, CSV and Parquet hold the same, under the same names where nothing is near enough, too."""
    knots = KNOTS | {"thresholds": {"1e-2": 1e6, "1e-3": -1.0}}
    known = write(tmp_path / "known", config, calibration=Calibration(**knots))
    files = [tmp_path / f"hits{ending}" for ending in (".json", ".csv", ".parquet")]
    for file in files:
        assert search(photos / "1.jpg", photos, known, "--max-false-match", rate, "--output", file) == 0
    rows, table = json.loads(files[0].read_text()), pyarrow.parquet.read_table(files[2])
    assert re.search(r"^embedding queries: 1/1 images \[.* left, ", capsys.readouterr().err, re.MULTILINE)
    names = ["query", "place", "image", "distance", "probability", "compared"]
    assert (len(rows), table.column_names, table.to_pylist()) == (hits, names, rows)
    assert " ".join(map(str, table.schema.types)).startswith("string int64 string double double list<")
    header, *cells = csv.reader(files[1].open())
    assert header == names
    assert [[*row[:5], json.loads(row[5])] for row in cells] == [
        [*map(str, list(row.values())[:5]), row["compared"]] for row in rows
    ]


def test_images_are_a_gallery_too(photos, pack, tmp_path):
    rows, given = tmp_path / "hits.json", [photos / "0.jpg", photos / "2.jpg"]
    assert search(photos / "1.jpg", given[0], pack, "--gallery", *given, "--output", rows) == 0
    assert sorted(hit["image"] for hit in json.loads(rows.read_text())) == list(map(str, given))


def test_parts_and_visibility_are_chosen(photos, calibrated, tmp_path, capsys):
    rows = tmp_path / "hits.json"
    assert search(photos / "1.jpg", photos, calibrated, "--output", rows) == 0
    assert all(0 <= hit["probability"] <= 1 for hit in json.loads(rows.read_text()))
    assert search(photos, photos, calibrated, "--parts", "legs, torso", "--output", rows) == 0
    hits = json.loads(rows.read_text())
    assert len(hits) == 16
    assert {name for hit in hits for name in hit["compared"]} <= {"legs", "torso"}
    assert "probability" not in hits[0]
    assert "calibrated for its own matching only" in capsys.readouterr().err
    assert search(photos / "1.jpg", photos, calibrated, "--visibility", "off", "--output", rows) == 0
    assert all(hit["compared"] == ["foreground", *PARTS] for hit in json.loads(rows.read_text()))


def test_soft_visibility_weighs_by_attention(photos, calibrated, tmp_path):
    rows, model = tmp_path / "hits.json", reid.load(calibrated, "cpu")
    assert search(photos / "1.jpg", photos, calibrated, "--visibility", "soft", "--output", rows) == 0
    hits = json.loads(rows.read_text())
    query, gallery = model.embed(photos / "1.jpg"), model.embed([hit["image"] for hit in hits])
    scores = query.scores[:, 1:], gallery.scores[:, 1:]  # of the foreground and the parts, as features
    expected = part_to_part_distance(query.features, gallery.features, *scores)[0]
    assert [hit["distance"] for hit in hits] == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-3)


def test_nothing_in_common_is_no_distance(photos, config, tmp_path, capsys):
    model = reid.load(hide_everything(tmp_path / "pack", config), "cpu")
    assert not model.embed(photos / "1.jpg").visible[0, 2:].any()
    assert search(photos / "1.jpg", photos, tmp_path / "pack", "--parts", "legs", "--output", tmp_path / "h.json") == 0
    assert {hit["distance"] for hit in json.loads((tmp_path / "h.json").read_text())} == {None}
    assert "nothing visible in both" in capsys.readouterr().out


def test_nothing_in_common_is_no_probability(photos, config, tmp_path, capsys):
    folder = hide_everything(tmp_path / "pack", config)
    told = json.loads((folder / "config.json").read_text())
    told["matching"]["embeddings"], told["calibration"] = ["legs"], KNOTS
    (folder / "config.json").write_text(json.dumps(told))
    assert search(photos / "1.jpg", photos, folder, "--output", tmp_path / "h.json") == 0
    assert {hit["probability"] for hit in json.loads((tmp_path / "h.json").read_text())} == {None}
    assert main(["compare", str(photos / "0.jpg"), str(photos / "1.jpg"), "--model", str(folder)]) == 0
    assert "same person: unknown, nothing was compared" in capsys.readouterr().out


def hide_everything(folder, config):
    """The pack of a model to which no part is visible."""
    write(folder, config)
    told = json.loads((folder / "config.json").read_text())
    told["visibility"] |= {"rule": "threshold", "threshold": 1.0}
    (folder / "config.json").write_text(json.dumps(told))
    return folder


def test_the_picture_has_a_row_a_query_and_frames_what_was_compared(photos, pack, tmp_path):
    assert search(photos / "1.jpg", photos, pack, "--picture", tmp_path / "page.png") == 0
    page = Image.open(tmp_path / "page.png")
    assert page.width == 3 * GAP + 5 * CELL[0]
    model = reid.load(pack, "cpu")
    query, gallery = model.embed([photos / "1.jpg"]), model.embed(sorted(photos.rglob("*.jpg")))
    gallery.visible[:] = False
    found = query.search(gallery)
    drawn = np.asarray(search_sheet(query, gallery, found, found.within(np.inf)))
    top = drawn.shape[0] - CELL[1] - TITLE + TITLE + THUMB[1] + 2 * 4 + 2
    first = [tuple(drawn[top, GAP + place * 15 + 1]) for place in range(len(query.compared))]
    assert first == [RIGHT if seen else WRONG for seen in query.visibility[0]]
    second = [tuple(drawn[top, 2 * GAP + CELL[0] + place * 15 + 1]) for place in range(len(query.compared))]
    assert second == [RIGHT, *[WRONG] * len(PARTS)]  # foreground is always compared


def test_what_is_wrong_is_one_line(photos, pack, other, tmp_path, capsys):
    features = tmp_path / "f.npz"
    assert main(["embed", str(photos), "--model", str(other), "--output", str(features)]) == 0
    (tmp_path / "f.parquet").write_bytes(b"PAR1")
    np.savez(tmp_path / "mine.npz", of=np.zeros(3))
    known = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for gallery, words, says in (
        (features, [], "f.npz: holds features of another model than people/small (of people/other)"),
        (tmp_path / "none.npz", [], "none.npz: no such file; make it: reid embed FOLDER"),
        (tmp_path / "phtos", [], "phtos: no such folder; give one with images, an image, or .npz of reid embed"),
        (tmp_path / "none.jpg", [], "none.jpg: no such image or folder"),
        (tmp_path / "f.parquet", [], "f.parquet: is no file of features, which ends in .npz; make one: reid embed"),
        (tmp_path / "mine.npz", [], "is not a file in the archive'); make one: reid embed FOLDER --model PACK"),
        (photos / "0.jpg", ["--index", "g.faiss"], "0.jpg: holds images, but --index is of features; name the .npz"),
        (photos, ["--parts", "hat"], "--parts: 'hat' is not one of head, arms, torso, legs, feet, global, foreground"),
        (photos, ["--output", "h.xls"], "h.xls: unknown ending; let the name end in .json or .csv or .parquet"),
        (photos, ["--picture", "h.gif"], "h.gif: unknown ending; let the name end in .png"),
    ):
        assert search(photos / "1.jpg", gallery, pack, *words) == 1
        *_, line = capsys.readouterr().err.splitlines()
        assert says in line
        assert "remove" not in line
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == known
    with pytest.raises(SystemExit):
        search(photos / "1.jpg", photos, pack, "--top", "0")


def test_features_of_the_same_weights_are_searched_after_another_evaluation(photos, config, tmp_path):
    for name, knots in (("first", None), ("second", Calibration(**KNOTS))):
        known = {"inputs": {"model": {"sha256": "abc"}, "evaluation": {"sha256": name}}}
        write(tmp_path / name, config, provenance=known, calibration=knots)
    pack, calibrated = tmp_path / "first", tmp_path / "second"
    assert main(["embed", str(photos), "--model", str(pack), "--output", str(tmp_path / "f.npz")]) == 0
    assert search(photos / "1.jpg", tmp_path / "f.npz", calibrated, "--output", tmp_path / "h.json") == 0
    assert "probability" in json.loads((tmp_path / "h.json").read_text())[0]


def test_what_is_farther_than_a_threshold_is_left_out(photos, pack, config, tmp_path, capsys):
    rows = tmp_path / "hits.json"
    assert search(photos / "1.jpg", photos, pack, "--output", rows) == 0
    every = json.loads(rows.read_text())
    limits = {"1e-2": every[1]["distance"], "1e-3": every[0]["distance"] / 2 - 1e-3, "1e-4": None}
    known = write(tmp_path / "known", config, calibration=Calibration(**KNOTS | {"thresholds": limits}))
    page = tmp_path / "page.png"
    assert (
        search(photos / "1.jpg", photos, known, "--max-false-match", "1e-2", "--output", rows, "--picture", page) == 0
    )
    assert [hit["image"] for hit in json.loads(rows.read_text())] == [hit["image"] for hit in every[:2]]
    assert Image.open(page).width == 3 * GAP + 3 * CELL[0]  # the query and two hits, as in the rows
    capsys.readouterr()
    assert search(photos / "1.jpg", photos, known, "--max-false-match", "1e-3", "--output", rows) == 0
    assert json.loads(rows.read_text()) == []
    assert "1.jpg: no image within" in capsys.readouterr().err
    for model, words, says in (
        (known, ["--max-false-match", "1e-4"], "too few pairs of people to tell; it has those at 1e-2, 1e-3"),
        (pack, ["--max-false-match", "1e-2"], "not calibrated for this matching"),
        (known, ["--max-false-match", "1e-2", "--parts", "legs"], "not calibrated for this matching"),
    ):
        assert search(photos / "1.jpg", photos, model, *words) == 1
        assert says in capsys.readouterr().err.splitlines()[-1]
