"""Whatever is wrong with a dataset's folder, table or options: one line that names the place and the remedy."""

import json
import os
from pathlib import Path

import pytest

from artefacts.errors import UserError
from artefacts.manifest import SPLITS
from reid.config.dataset import ImageFolder
from reid.config.root import load
from reid.data.readers import read_folder
from tests.configuration import all_content
from tests.datasets import market, put, write_lists, write_table
from tests.people import stage

NAMES = {"reader": "names", "options": {"pattern": r"(?P<identity>\w+)/.*"}}


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs the manifest stage on the folder `data`, which must fail; returns the one line that it printed."""

    def run(**entry: object) -> str:
        config = {"name": "own", "dataset": {"root": str(tmp_path / "data"), **entry}}
        assert stage("manifest", config=config, manifest=tmp_path / "m.csv") == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("reading")]
        assert len(lines) == 1
        assert not list(tmp_path.glob("*m.csv*"))
        return lines[0].removeprefix("error: ")

    return run


@pytest.mark.parametrize(
    ("keys", "entry", "words"),
    [
        (["a/1.jpg", "2.jpg"], NAMES, "'2.jpg': does not match datasets.own.options.pattern as a whole"),
        (["a/1.jpg", "2.jpg"], {"reader": "folders"}, "'2.jpg': lies in no folder of an identity"),
        (["1.jpg", "2.jpg"], {"reader": "folders"}, "/data: its images lie in no folders, and training and measuring"),
        (["train/a/1.jpg", "val/b/1.jpg"], {"reader": "folders"}, "/data: 'train' is a split, but 'val' next to it is"),
        (["a/1.jpg", "nan/1.jpg"], {"reader": "folders"}, "'nan/1.jpg': its identity is 'nan', as of a value that is"),
        (["train/a.jpg", "train/b/2.jpg"], {"reader": "folders"}, "'train/a.jpg': lies in no folder of an identity"),
        ([], NAMES, "/data: is no folder; put the images there, or set datasets.own.root"),
        (["notes.txt"], NAMES, "/data: holds no image, but 1 .txt; put images there (.jpeg, .jpg, .png, "),
        (
            ["a/x1.jpg", "a/y1.jpg"],
            {"reader": "folders", "options": {"pattern": r"x(?P<camera>\d)"}},
            "'a/y1.jpg': 'y1' does not match datasets.own.options.pattern as a whole (x(?P<camera>\\d))",
        ),
        (
            ["a/1/1.jpg", "dev/1/1.jpg"],
            {"reader": "names", "options": {"pattern": "(?P<split>[^/]+)/(?P<identity>.+)/.*"}},
            "'a/1/1.jpg': the split 'a' is not train, query, gallery or test",
        ),
        (["1.jpg"], {"reader": "names", "options": {"pattern": "(?P<identity>x*).*"}}, "'1.jpg': its identity is em"),
        (
            ["a1/1.jpg", "b/1.jpg"],
            {"reader": "names", "options": {"pattern": r"(?P<identity>[a-z])(?P<camera>\d)?/.*"}},
            "'b/1.jpg': has no camera, but others have",
        ),
        (
            ["train/a/1.jpg", "test/b/1.jpg", "c/1.jpg"],
            {"reader": "names", "options": {"pattern": "((?P<split>train|test)/)?(?P<identity>[a-z])/.*"}},
            "'c/1.jpg': has no split, but 'test/b/1.jpg' has",
        ),
        (["a/1.jpg", "b/1.jpg"], {"reader": "folders"}, "datasets.own: train holds no image of a person"),
        (
            [f"{who}/{n}.jpg" for who in "ab" for n in (1, 2)],
            {"reader": "folders", "split": {"train": 1.0}},
            "datasets.own: query holds no image of a person (junk does not count); add images of people to it; if",
        ),
        (["occluded_body_images/1.tif", "whole_body_images/1_1.tif"], {"reader": "occluded_reid", "trains_on": "x"},
         "'occluded_body_images/1.tif': is not named IDENTITY_…"),
        (["occluded_body_images/a.txt", "whole_body_images/1_1.tif"], {"reader": "occluded_reid", "trains_on": "x"},
         "/data/occluded_body_images: holds no image"),
        (["test/whole_body_images/1/1_1.jpg"], {"reader": "p_dukemtmc"},
         "/data: has no folder 'train/occluded_body_images'; put the dataset there, with the folders train/occluded_"),
    ],
)  # fmt: skip
def test_wrong_folders(refused, tmp_path, keys, entry, words):
    root = tmp_path / "data"
    for key in keys:
        if key.endswith(".txt"):
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).touch()
        else:
            put(root, [key])
    assert words in refused(**entry)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no column 'path'; its first line must name path, identity, camera, split"),
        ("path,who\n", "has no column 'identity'"),
        ("path\na.jpg\n", "must name path, identity, camera, split, and training and measuring need"),
        ("path,identity\na.jpg,\nb.jpg,nan\n", "no row has an identity, and training and measuring need to know who"),
        ("path,identity\na.jpg,1\nb.jpg,NaN\n", "row 2: its identity is 'NaN', as of a value that is missing; fill"),
        ("path,identity\na.jpg,1\nb.jpg,nan\n", "or set datasets.own.options.distractor_identity (in the gallery"),
        ("path,identity\na.jpg,1\nb.jpg,\n", "row 2: its identity is empty, as of a value that is missing; fill it"),
        ("path,identity,identity\n", "has two columns 'identity'; keep one"),
        ("path,identity\n", "lists no image"),
        ("path,identity\na.jpg,1,2\n", "line 2: has 3 values, not 2"),
        ("path,identity\na.jpg,1\n./a.jpg,2\n", "row 2: 'a.jpg' is listed twice"),
        ("path,identity\na.jpg,1\n../b.jpg,2\n", "row 2: the path '../b.jpg' leads outside the dataset"),
        ("path,identity\n/etc/passwd,2\n", "row 1: the path '/etc/passwd' leads outside the dataset"),
        ("path,identity\nC:\\a.jpg,2\n", "row 1: the path 'C:\\\\a.jpg' leads outside the dataset"),
        ("path,identity\n,2\n", "row 1: the path '' leads outside the dataset"),
        ("path,identity,split\na.jpg,2,validation\n", "row 1: the split 'validation' is not train, query, gallery or"),
        ("path,identity,split\na.jpg,2,train\nb.jpg,3,\n", "'b.jpg': has no split, but 'a.jpg' has"),
        ("path,identity,camera\na.jpg,2,1\nb.jpg,3,\n", "'b.jpg': has no camera, but others have"),
        ('path,identity\n"a.jpg,2\n', "cannot be read as a table (unexpected end of data)"),
        ("path,identity\nä.jpg,2\n", "cannot be read as a table ('utf-8' codec can't decode"),
    ],
)  # fmt: skip
def test_a_wrong_table(refused, tmp_path, content, words):
    (tmp_path / "list.csv").write_text(content, encoding="latin-1")
    line = refused(reader="table", options={"file": str(tmp_path / "list.csv")})
    assert line.startswith((f"{tmp_path / 'list.csv'}: ", "'b.jpg'"))
    assert words in line


def test_a_table_that_is_missing_or_no_parquet(refused, tmp_path):
    options = {"file": str(tmp_path / "list.parquet")}
    assert refused(reader="table", options=options).endswith("put it there, or set datasets.own.options.file")
    (tmp_path / "list.parquet").write_bytes(b"PAR1 no")
    assert "list.parquet: cannot be read as a table (" in refused(reader="table", options=options)


def test_an_image_of_a_table_that_is_not_there(refused, tmp_path):
    put(tmp_path / "data", ["a.jpg"])
    (tmp_path / "list.csv").write_text("path,identity\nb.jpg,1\n")
    line = refused(reader="table", options={"file": str(tmp_path / "list.csv")})
    assert line.startswith(f"{tmp_path / 'data' / 'b.jpg'}: cannot be opened (No such file or directory)")


def test_a_table_may_not_lead_outside_through_a_link(refused, tmp_path):
    put(tmp_path, ["secret.jpg"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "list.csv").write_text("path,identity\na.jpg,1\n")
    line = refused(reader="table", options={"file": str(tmp_path / "list.csv")})
    assert f"{tmp_path / 'data' / 'a.jpg'}: leads outside {tmp_path / 'data'}" in line


@pytest.mark.parametrize("reader", ["folders", "table"])
@pytest.mark.parametrize("how", ["pipe", "circle"])
def test_an_image_that_is_no_file(refused, tmp_path, reader, how):
    path = put(tmp_path / "data", ["a/1.jpg"]) / "a" / "2.jpg"
    os.mkfifo(path) if how == "pipe" else path.symlink_to(path)
    (tmp_path / "list.csv").write_text("path,identity\na/1.jpg,1\na/2.jpg,1\n")
    options = {"file": str(tmp_path / "list.csv")} if reader == "table" else {}
    assert refused(reader=reader, options=options).startswith(f"{path}: cannot be opened (")


def test_a_folder_that_may_not_be_read(refused, tmp_path, monkeypatch):
    """One that is wanted is an error, one next to the dataset is none."""
    root = put(tmp_path / "data", [*market(), "secret/1.jpg"])
    scandir = os.scandir

    def closed(path: Path):
        if Path(path).name in secret:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    secret = {"secret"}
    assert len(read_folder(ImageFolder(reader="market1501", root=str(root)), SPLITS, "own")) == len(market())
    secret.add("query")
    assert refused(reader="market1501").startswith(f"{root / 'query'}: cannot be listed; let yourself read it")
    secret.add("data")
    assert refused(reader="market1501").startswith(f"{root}: cannot be listed (Permission denied); let yourself")


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({}, "list_train.txt: cannot be read ("),
        ({"train": ["0/0_0_01_x.jpg"]}, "list_train.txt: line 1: is not PATH IDENTITY, as published"),
        ({"train": ["0/0_0.jpg 0"]}, "list_train.txt: line 1: is not PATH IDENTITY"),
        ({"train": ["../../0_0_01_x.jpg 0"]}, "list_train.txt: line 1: leads outside the dataset"),
        ({"train": ["0/0_0_01_x.jpg -1"]}, "list_train.txt: line 1: leads outside the dataset"),
    ],
)
def test_wrong_lists_of_msmt17(refused, tmp_path, lists, words):
    for folder in ("train", "test"):
        (tmp_path / "data" / "MSMT17_V1" / folder).mkdir(parents=True)
    write_lists(tmp_path / "data" / "MSMT17_V1", **lists)
    assert words in refused(reader="msmt17")


@pytest.mark.parametrize(
    ("splits", "crop", "words"),
    [
        (["train", "query"], "v/1_v_1.jpg", "train_dataset_sampling.json: has the split 'query' where ('train',) are"),
        (["train", "train"], None, "train_dataset_sampling.json: detection 1 has no crop (2); cut the crops out again"),
        (["train", "train"], "v/x_v_1.jpg", "is not named PERSON_VIDEO_FRAME.jpg; cut the crops out again"),
    ],
)
def test_wrong_tables_of_posetrack(refused, tmp_path, splits, crop, words):
    root = tmp_path / "data"
    write_table(root / "images/anns/train_reid_crops_anns.json", id=[1, 2], reid_crop_path=[crop, crop])
    assert refused(reader="occluded_posetrack").endswith("docs/datasets.md says how the crops are made")
    write_table(root / "train_dataset_sampling.json", id=[1, 2], split=splits)
    assert words in refused(reader="occluded_posetrack")
    (root / "train_dataset_sampling.json").write_text(json.dumps({"id": [1]}))
    assert "is no table with the columns id and split" in refused(reader="occluded_posetrack")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"reader": "names"}, "options.pattern: is missing; reader names cannot do without it"),
        ({"reader": "table"}, "options.file: is missing; reader table cannot do without it"),
        (
            {"reader": "names", "options": {"pattern": "(?P<who>.*)"}},
            "options.pattern: has no group (?P<identity>…), which tells the identity of an image",
        ),
        (
            {"reader": "folders", "options": {"pattern": "cam(.*)"}},
            "options.pattern: has no group (?P<camera>…), which tells the camera of an image",
        ),
        (
            {"reader": "market1501", "options": {"pattern": ".*"}},
            "options.pattern: is an option of reader names or folders, not of market1501",
        ),
        (
            {"reader": "names", "options": {"distractor_folder": "images"}},
            "options.distractor_folder: is an option of reader market1501, not of names",
        ),
        (
            {"reader": "occluded_reid", "split": {}},
            "split: occluded_reid is split as published; remove it, or use reader names or folders or table",
        ),
    ],
)
def test_options_of_another_reader_are_refused(entry, message):
    assert configured(entry) == f"datasets.own: {message}"


def test_a_pattern_that_is_none_and_a_finding_that_is_none():
    line = configured({"reader": "names", "options": {"pattern": "(?P<identity>"}})
    assert line.startswith("datasets.own.options.pattern: is no regular expression (missing )")
    assert configured({"reader": "folders", "allow": ["everything"]}).startswith(
        "datasets.own.allow.0: Input should be"
    )
    assert configured({"reader": "folders", "options": {"junk_identity": -1}}).endswith(
        ".junk_identity: Input should be a valid string, but -1 is a number (YAML needs quotes: '-1')"
    )
    assert configured({"reader": "folders", "split": {"train": 50}}).startswith(
        "datasets.own.split.train: Input should"
    )


@pytest.mark.parametrize(("distractor", "junk"), [("0", "0"), ("nan", "")])
def test_an_identity_means_one_thing(distractor, junk):
    options = {"distractor_identity": distractor, "junk_identity": junk}
    line = configured({"reader": "folders", "options": options})
    assert line == f"datasets.own.options: junk_identity {junk!r}: is the distractor_identity too; keep one of them"


def configured(entry: dict) -> str:
    """The line that refuses config.yaml with the dataset `own` of this entry."""
    content = all_content()
    content["datasets"]["own"] = {"root": "data/own", "scheme": "five", "pifpaf": "small", **entry}
    with pytest.raises(UserError) as error:
        load(content)
    return str(error.value).removeprefix("configuration: ")
