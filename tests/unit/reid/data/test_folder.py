"""What a folder holds besides the images that are read, and what its names of splits are taken for, is said."""

import os
import re
from pathlib import Path

import pytest

from reid.config.stages import ProtocolConfig
from reid.data.folder import read_folder_record
from reid.data.protocol import count_positives, problems
from reid.report.protocol import report
from tests.datasets import KINDS, put, read

PEOPLE = [f"{who}/{n}.jpg" for who in "abcd" for n in range(3)]
VERI = [
    f"image_{split}/{who:04d}_c00{camera}_{n}.jpg"
    for split, people, cameras in (("train", (1, 2), (1, 2)), ("query", (3, 4), (1, 2)), ("test", (3, 4), (1, 2, 3)))
    for who in people
    for camera in cameras
    for n in range(2)
]
VERI_NAMES = r"(?P<split>[^/]+)/(?P<identity>\d+)_c(?P<camera>\d+)_.*"


def test_every_ending_that_pillow_reads_is_an_image(tmp_path):
    keys = [f"a/{n}{ending}" for n, ending in enumerate([*KINDS, ".JPG", ".Gif".lower()])]
    rows = read(put(tmp_path / "own", [*PEOPLE, *keys]), tmp_path, reader="folders")
    assert {row.key for row in rows} >= set(keys)
    assert {(row.width, row.height) for row in rows} == {(8, 16)}
    assert read_folder_record(tmp_path / "folder.json").passed_over == []


def test_what_is_passed_over_is_counted_by_ending(tmp_path):
    root = put(tmp_path / "own", PEOPLE)
    for name in ("a/1.heic", "b/2.HEIC", "notes.txt", "frame.0001", "frame.0002", "LICENSE", ".DS_Store"):
        (root / name).touch()
    Path(os.fsdecode(bytes(root) + b"/\xff.txt")).touch()
    (root / "a/gone.csv").symlink_to("gone")
    (root / "lost+found").mkdir()
    read(root, tmp_path, reader="folders")
    found = {(one.reason, one.ending): (one.files, one.first) for one in passed_over(tmp_path)}
    assert found == {
        ("not_an_image", ".heic"): (2, "a/1.heic"),
        ("not_an_image", ".txt"): (2, "notes.txt"),
        ("not_an_image", "other"): (3, "LICENSE"),
        ("hidden", ""): (2, ".DS_Store"),
        ("no_file", ""): (1, "a/gone.csv"),
    }


def test_images_that_no_list_names_are_counted(tmp_path):
    root = put(tmp_path / "own", [*PEOPLE, "e/1.png"])
    (tmp_path / "list.csv").write_text("path,identity\n" + "".join(f"{key},{key[0]}\n" for key in PEOPLE))
    read(root, tmp_path, reader="table", options={"file": str(tmp_path / "list.csv")})
    (one,) = passed_over(tmp_path)
    assert (one.reason, one.ending, one.files, one.first) == ("not_in_a_split", ".png", 1, "e/1.png")


@pytest.mark.parametrize(
    "pattern", [VERI_NAMES, VERI_NAMES.replace("(?P<split>[^/]+)", "image_(?P<split>train|query|test)")]
)
def test_a_dataset_with_queries_is_not_divided_again(tmp_path, pattern):
    """VeRi's folders, and AI City's: image_test is the gallery of image_query."""
    rows = read(put(tmp_path / "own", VERI), tmp_path, reader="names", options={"pattern": pattern})
    assert {(row.key.split("/")[0], row.split) for row in rows} == {
        ("image_train", "train"), ("image_query", "query"), ("image_test", "gallery"),
    }  # fmt: skip
    splits = read_folder_record(tmp_path / "folder.json").splits
    assert {(one.name.removeprefix("image_"), one.split, one.images) for one in splits} == {
        ("train", "train", 8), ("query", "query", 8), ("test", "gallery", 12),
    }  # fmt: skip


def test_a_test_half_without_queries_is_divided_and_the_report_says_so(tmp_path):
    rows = read(
        put(tmp_path / "own", [key for key in VERI if "query" not in key]),
        tmp_path,
        reader="names",
        options={"pattern": VERI_NAMES},
    )
    (tmp_path / "own/Thumbs|.db").touch()
    read(tmp_path / "own", tmp_path, reader="names", options={"pattern": VERI_NAMES})
    reach, folder = count_positives(rows), read_folder_record(tmp_path / "folder.json")
    config = ProtocolConfig(name="own", allow=[], unreadable="fail")
    text = re.sub(" +", " ", report(config, rows, reach, problems(rows, reach), folder))
    assert "| `image_test` | gallery | 6 |\n| `image_test` | query | 6 |\n| `image_train` | train | 8 |" in text
    assert (
        "| 1 | `.db` | have no ending of an image that is read; convert those that are images | `Thumbs\\|.db` |"
        in text
    )


@pytest.mark.parametrize("reader", ["names", "folders", "table"])
def test_junk_takes_part_in_nothing(tmp_path, reader):
    """MARS: 00-1 is junk, 0000 stands for distractors. Junk has no camera and no split that could be asked for."""
    keys = [f"{who}/c{n % 2}-{n}.jpg" for who in ("0000", "1", "2", "3") for n in range(4)]
    root = put(tmp_path / "own", [*keys, "00-1/c0-1.jpg", "00-1/c9-2.jpg"])
    options = {"distractor_identity": "0000", "junk_identity": "00-1"}
    if reader == "names":
        options["pattern"] = r"(?P<identity>[^/]+)/c(?P<camera>\d)-.*"
    elif reader == "folders":
        options["pattern"] = r"c(?P<camera>\d)-.*"
    else:
        options["file"] = str(tmp_path / "list.csv")
        lines = [f"{key},{key.split('/')[0]},{key.split('/c')[1][0]}" for key in keys]
        lines += ["00-1/c0-1.jpg,00-1,", "00-1/c9-2.jpg,00-1,9"]
        (tmp_path / "list.csv").write_text("\n".join(["path,identity,camera", *lines]))
    rows = read(root, tmp_path, reader=reader, options=options)
    assert {row.key for row in rows} == set(keys)
    assert {row.identity for row in rows} == {0, 1, 2, 3}
    assert {row.camera for row in rows} == {0, 1}
    assert read_folder_record(tmp_path / "folder.json").junk == 2


@pytest.mark.parametrize("option", ["distractor_identity", "junk_identity"])
@pytest.mark.parametrize("missing", ["", "nan", "NaN", "None"])
def test_a_missing_identity_is_what_an_option_says(tmp_path, option, missing):
    put(tmp_path / "own", [*PEOPLE, "e/1.jpg", "e/2.jpg"])
    lines = [*(f"{key},{key[0]},nan" for key in PEOPLE), f"e/1.jpg,{missing},", "e/2.jpg,<NA>,"]
    (tmp_path / "list.csv").write_text("\n".join(["path,identity,camera", *lines]))
    options = {"file": str(tmp_path / "list.csv"), option: ""}
    rows = read(tmp_path / "own", tmp_path, reader="table", options=options)
    unnamed = [(row.identity, row.split) for row in rows if row.key.startswith("e/")]
    assert unnamed == ([(0, "gallery")] * 2 if option == "distractor_identity" else [])
    assert {row.identity_name for row in rows} - {""} == set("abcd")
    assert {row.camera_name for row in rows} == {""}


def passed_over(folder: Path) -> list:
    return read_folder_record(folder / "folder.json").passed_over
