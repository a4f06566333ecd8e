"""`reid embed`: features and rows of image files, and only of new ones where they are kept."""

import csv
import json
import re
import shutil

import numpy as np
import pyarrow.parquet
import pytest

import reid
from reid.__main__ import main
from reid.search.feature_file import read_features
from tests.packs import PARTS


def embed(photos, pack, output) -> int:
    return main(["embed", str(photos), "--model", str(pack), "--device", "cpu", "--output", str(output)])


def test_kept_features_are_the_model_s_and_are_not_embedded_again(photos, pack, tmp_path, capsys):
    file = tmp_path / "f.npz"
    assert embed(photos, pack, file) == 0
    (photos / "0.jpg").rename(photos / "renamed.jpg")
    (photos / "1.jpg").unlink()
    shutil.copy(photos / "2.jpg", photos / "copy.jpg")
    assert embed(photos, pack, file) == 0
    (photos / "2.jpg").write_bytes((photos / "more/3.jpg").read_bytes() + b"new")
    (photos / "torn.jpg").write_bytes((photos / "copy.jpg").read_bytes()[:200])
    (photos / "torn_too.jpg").write_bytes((photos / "copy.jpg").read_bytes()[:200])
    assert embed(photos, pack, file) == 0
    printed = capsys.readouterr()
    for title in ("hashing", "embedding"):  # with the time left
        assert re.search(rf"^{title}: 4/4 images \[\d\d:\d\d gone, 00:00 left, ", printed.err, re.MULTILINE)
    said = [line.partition(": ")[2] for line in printed.out.splitlines()]
    assert said == [f"4 images, {new} of them embedded now" for new in (4, 0, 1)]
    left_out = [line for line in printed.err.splitlines() if "left out, cannot be read" in line]
    assert [line.partition(":")[0] for line in left_out] == [str(photos / f"torn{end}.jpg") for end in ("", "_too")]
    kept = read_features(file).features
    assert kept.names == [str(photos / name) for name in ("2.jpg", "copy.jpg", "more/3.jpg", "renamed.jpg")]
    expected = reid.load(pack, "cpu").embed(kept.names)
    np.testing.assert_allclose(kept.embeddings, expected.embeddings, atol=1e-5)
    np.testing.assert_array_equal(kept.visible, expected.visible)


def test_another_model_embeds_every_image(photos, pack, other, tmp_path, capsys):
    assert embed(photos, pack, tmp_path / "f.npz") == 0
    assert embed(photos, other, tmp_path / "f.npz") == 0
    printed = capsys.readouterr()
    assert printed.out.endswith("4 images, 4 of them embedded now\n")
    assert "is of another model, people/small; every image is embedded" in printed.err
    assert read_features(tmp_path / "f.npz").features.pack.name == "people/other"


def test_rows_by_ending(photos, pack, tmp_path):
    for ending in ("json", "csv", "parquet"):
        assert embed(photos, pack, tmp_path / f"rows.{ending}") == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    seen = reid.load(pack, "cpu").embed([row["image"] for row in rows])
    assert [row["image"] for row in rows] == [str(photos / name) for name in ("0.jpg", "1.jpg", "2.jpg", "more/3.jpg")]
    np.testing.assert_allclose([row["vector"] for row in rows], seen.flat(), atol=1e-5)
    named = ["global", "foreground", *PARTS]
    assert rows[0]["visible"] == [name for name, visible in zip(named, seen.visible[0], strict=True) if visible]
    np.testing.assert_allclose([[row[f"score_{name}"] for name in named] for row in rows], seen.scores, atol=1e-4)
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").to_pylist() == rows
    with open(tmp_path / "rows.csv") as file:
        table = list(csv.DictReader(file))
    assert [json.loads(row["vector"]) for row in table] == [row["vector"] for row in rows]


def test_what_is_wrong_is_one_line_and_nothing_is_written(photos, pack, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/torn.jpg").write_bytes(b"torn")
    (tmp_path / "damaged.npz").write_bytes(b"torn")
    np.savez(tmp_path / "foreign.npz", names=np.array([{"pickled": 1}], object))
    known = set(tmp_path.iterdir())
    for images, model, output, says in (
        (photos, pack, "f.txt", "f.txt: unknown ending; let the name end in .npz or .json or .csv or .parquet"),
        (tmp_path / "empty", pack, "f.npz", "empty: holds no image"),
        (tmp_path / "none.jpg", pack, "f.npz", "none.jpg: no such image or folder"),
        (tmp_path / "bad", pack, "f.npz", "none of 1 images can be read"),
        (photos, tmp_path / "no/pack/here", "f.npz", "no/pack/here: no such pack"),
        (photos, pack, "damaged.npz", "damaged.npz: is damaged, or no file of features"),
        (photos, pack, "foreign.npz", "foreign.npz: is damaged, or no file of features"),
    ):
        assert embed(images, model, tmp_path / output) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("error: ")
        assert says in last
    assert set(tmp_path.iterdir()) == known
    words = ["embed", str(photos), "--model", str(pack), "--device", "abacus", "--output", str(tmp_path / "f.npz")]
    assert main(words) == 1
    assert "--device: 'abacus' cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "array"),
    [("embeddings", np.zeros((4, 7, 3), np.float32)), ("names", np.array(["a"])), ("visible", np.zeros((4, 7)))],
)
def test_arrays_that_do_not_fit_the_pack_are_no_features(name, array, photos, pack, tmp_path, capsys):
    assert embed(photos, pack, tmp_path / "f.npz") == 0
    with np.load(tmp_path / "f.npz") as file:
        np.savez(tmp_path / "f.npz", **dict(file) | {name: array})
    assert embed(photos, pack, tmp_path / "f.npz") == 1
    assert "f.npz: is damaged, or no file of features (" in capsys.readouterr().err
