"""A bad dataset or manifest stops with one line that names the place and the remedy, and leaves nothing behind."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from artefacts.errors import UserError
from artefacts.manifest import ImageRow, read_manifest
from reid.data.checks import check_counts
from reid.data.readers.market1501 import name_of_drawn
from tests.people import stage


@pytest.fixture
def copy(people, tmp_path) -> Path:
    """A copy of the rendered dataset that a test may spoil."""
    return Path(shutil.copytree(people.root, tmp_path / "own"))


@pytest.fixture
def refused(people, tmp_path, capsys):
    """Runs the manifest stage, which must fail without a manifest; returns the one line that it printed."""

    def run(root: Path, index: Path | None = None, **changes: object) -> str:
        entry = people.entry | {"root": str(root)} | changes
        options = {"index": index} if index else {}
        status = stage("manifest", config={"name": "own", "dataset": entry}, manifest=tmp_path / "m.csv", **options)
        errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("reading", "warning"))]
        assert status == 1
        assert len(errors) == 1
        assert not list(tmp_path.glob("*m.csv*"))
        return errors[0].removeprefix("error: ")

    return run


@pytest.fixture
def accepted(people, tmp_path, capsys):
    """Runs the manifest stage, which must succeed; returns the rows by key and what was printed."""

    def run(root: Path, **changes: object) -> tuple[dict[str, ImageRow], str]:
        config = {"name": "own", "dataset": people.entry | {"root": str(root)} | changes}
        assert stage("manifest", config=config, manifest=tmp_path / "m.csv") == 0
        return {row.key: row for row in read_manifest(tmp_path / "m.csv")}, capsys.readouterr().err

    return run


def one(root: Path, pattern: str) -> Path:
    return sorted(root.glob(pattern))[0]


def test_a_missing_dataset(refused, tmp_path):
    line = refused(tmp_path / "own")
    assert line.startswith(f"{tmp_path / 'own'}: has no folder 'bounding_box_train'; put the dataset there")
    assert "datasets.own.root" in line
    assert "nothing is downloaded" in line


def test_a_dataset_in_two_copies(refused, copy, tmp_path):
    shutil.copytree(copy, tmp_path / "data" / "first")
    shutil.move(copy, tmp_path / "data" / "second")
    line = refused(tmp_path / "data")
    assert line.startswith(f"{tmp_path / 'data'}: holds two copies, first/bounding_box_train and second/bounding_box_")
    assert line.endswith("set datasets.own.root to one of them")


def test_an_archive_that_was_not_unpacked(refused, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "Market-1501-v15.09.15.zip").touch()
    assert "; unpack Market-1501-v15.09.15.zip, or put the dataset there" in refused(tmp_path / "data")


def test_a_dataset_that_is_there_in_part(refused, copy, tmp_path):
    shutil.rmtree(copy / "query")
    shutil.move(copy, tmp_path / "data" / "Market")
    assert refused(tmp_path / "data").startswith(
        f"{tmp_path / 'data' / 'Market'}: has no folder 'query'; put the dataset"
    )


def test_an_empty_split(refused, copy):
    for image in (copy / "query").iterdir():
        image.unlink()
    assert refused(copy).startswith(f"{copy / 'query'}: holds no image")


FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


@pytest.mark.parametrize("split", FOLDERS)
def test_a_split_of_junk_alone(refused, copy, split):
    for number, image in enumerate(sorted((copy / FOLDERS[split]).iterdir())):
        image.rename(image.with_name(f"-1_c1s1_{number:06d}_01.jpg"))
    assert refused(copy).startswith(
        f"datasets.own: {split} holds no image of a person (junk does not count); add images"
    )


@pytest.mark.parametrize("split", FOLDERS)
def test_a_split_that_cannot_be_read(refused, copy, split):
    for image in (copy / FOLDERS[split]).iterdir():
        image.write_bytes(b"no image")
    assert refused(copy).startswith(f"datasets.own: {split} holds no image that can be read")


def test_a_dataset_that_trains_on_another_needs_no_training_half(accepted, copy):
    shutil.rmtree(copy / "bounding_box_train")
    assert {row.split for row in accepted(copy, trains_on="other")[0].values()} == {"query", "gallery"}


@pytest.mark.parametrize("name", ["person1.jpg", "0001c1.jpg", "-2_c1s1_1.jpg", "0001_c.png", "0001_c1s1 copy.jpg"])
def test_a_wrong_name(refused, copy, name):
    shutil.copy(one(copy, "query/*.jpg"), copy / "query" / name)
    line = refused(copy)
    assert line.startswith(f"'query/{name}': is not named IDENTITY_cCAMERA_")
    assert "0002_c1s1_000451_03.jpg" in line


def test_a_name_that_is_no_text(refused, copy):
    shutil.copy(one(copy, "query/*.jpg"), bytes(copy / "query") + b"/0001_c1_\xff.jpg")
    assert r"query/0001_c1_\udcff.jpg': has a name that cannot be written down; rename the file" in refused(copy)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (25, "25 (1 missing: copied or unpacked in part)"),
        (23, "23 (1 too many: images were added, or two versions are mixed)"),
    ],
)
def test_another_number_of_images_than_expected(refused, copy, expected, words):
    line = refused(copy, expected={"train": expected, "query": 12, "gallery": 17})
    assert line.startswith(
        f"datasets.own: train has 24 images instead of {words}; gallery has 16 images instead of 17 (1"
    )
    assert "Complete the copy, or change datasets.own.expected" in line


@pytest.mark.parametrize(
    ("split", "expected", "found", "words"),
    [
        ("gallery", 15913, 13115, "2,798 missing: the distractors are missing, whose names begin with 0000"),
        ("train", 15618, 16522, "904 too many: this is the training half of DukeMTMC-reID; convert it"),
        ("train", 32621, 30248, "2,373 missing: the 2,373 images of list_val.txt are missing"),
        ("train", 7365, 7368, "3 too many: these are the labeled boxes"),
    ],
)
def test_well_known_differences_are_explained(split, expected, found, words):
    rows = [ImageRow(f"{number}", split, 1, 1, 9, 9, "") for number in range(found)]
    with pytest.raises(UserError, match=re.escape(words)):
        check_counts(rows, {split: expected}, "datasets.own")
    check_counts(rows, {split: found}, "datasets.own")


def test_a_distractor_among_the_queries(refused, copy):
    image = one(copy, "query/*.jpg")
    image.rename(image.with_name("0000_c1s1_000001_01.jpg"))
    assert refused(copy).startswith("query/0000_c1s1_000001_01.jpg: identity 0 marks distractors")


def test_a_drawn_image_that_is_gone(refused, copy):
    image = one(copy, "query/*.jpg")
    image.unlink()
    assert (
        refused(copy, copy / "index.csv") == f"{image}: cannot be opened (No such file or directory); put the file back"
    )


def test_a_drawn_image_that_has_changed(refused, copy):
    image = one(copy, "query/*.jpg")
    image.write_bytes(one(copy, "bounding_box_test/*.jpg").read_bytes())
    line = refused(copy, copy / "index.csv")
    assert line == f"{image}: is not as it was drawn; delete {copy} and run the draw rule again"


def test_images_that_the_index_does_not_list_are_left_out(people, copy, tmp_path):
    shutil.copy(one(copy, "query/*.jpg"), copy / "query" / "0099_c1.jpg")
    config = {"name": "own", "dataset": people.entry | {"root": str(copy)}}
    assert stage("manifest", config=config, index=copy / "index.csv", manifest=tmp_path / "m.csv") == 0
    assert (tmp_path / "m.csv").read_bytes() == people.manifest.read_bytes()


@pytest.mark.parametrize(
    "content", ["", "key,sha256\n", "name,digest\na,b\n", "key,sha256\na\n", "\0", "key,sha256\na,b,c\n"]
)
def test_a_damaged_index(refused, copy, content):
    (copy / "index.csv").write_text(content)
    line = refused(copy, copy / "index.csv")
    assert line.startswith(str(copy / "index.csv"))
    assert line.endswith("run the draw rule again")


def test_a_missing_index(refused, copy, tmp_path):
    assert "no such list of images; run the draw rule again" in refused(copy, tmp_path / "no.csv")


@pytest.mark.parametrize("key", ["../query/0005_c1.jpg", "/query/0005_c1.jpg", "query/../query/0005_c1.jpg"])
def test_an_index_that_leads_outside(refused, copy, key):
    (copy / "index.csv").write_text(f"key,sha256\n{key},0\n")
    line = refused(copy, copy / "index.csv")
    assert "leads outside" in line or "is no image in one of the folders" in line


def test_a_link_that_leads_outside(refused, copy, tmp_path):
    secret = tmp_path / "secret.jpg"
    shutil.copy(one(copy, "query/*.jpg"), secret)
    link = copy / "query" / "0005_c1_link.jpg"
    link.symlink_to(secret)
    assert refused(copy) == f"{link}: leads outside {copy}; put a copy of the image there instead"


def test_a_broken_link(refused, copy):
    link = copy / "query" / "0005_c1_link.jpg"
    link.symlink_to(copy / "query" / "gone.jpg")
    assert refused(copy).startswith(f"{link}: cannot be opened")


def spoil(path: Path, how: str) -> None:
    """Replace an image by something that cannot be decoded."""
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("no image")
    elif how == "script":  # Pillow hands PostScript to an interpreter unless it is told not to
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    else:  # 9,000 x 9,000 pixels in a few bytes
        Image.new("L", (1, 1)).save(path, "PNG")
        content = bytearray(path.read_bytes())
        content[16:24] = (9_000).to_bytes(4, "big") * 2
        content[29:33] = np.uint32(PngImagePlugin._crc32(bytes(content[12:29]))).tobytes()[::-1]
        path.write_bytes(bytes(content))


REASONS = {
    "truncated": "truncated",
    "empty": "no image that Pillow knows",
    "text": "no image that Pillow knows",
    "script": "no image that Pillow knows",
    "bomb": "9000 x 9000 pixels are more than the 25,000,000 allowed",
}


@pytest.mark.parametrize("how", REASONS)
def test_an_image_that_cannot_be_decoded_is_listed_without_size(accepted, copy, how):
    image = one(copy, "query/*.jpg")
    spoil(image, how)
    rows, printed = accepted(copy)
    assert (rows[f"query/{image.name}"].width, rows[f"query/{image.name}"].height) == (0, 0)
    assert sum(not row.readable for row in rows.values()) == 1
    assert f"warning: {image}: " in printed
    assert REASONS[how] in printed


def test_files_of_other_systems_do_no_harm(accepted, copy, people):
    for name in ("Thumbs.db", ".DS_Store", "._0005_c1s1_000025_01.jpg", "desktop.ini"):
        (copy / "query" / name).write_bytes(b"\0")
    assert list(accepted(copy)[0].values()) == read_manifest(people.manifest)


@pytest.mark.parametrize("key", ["0001_c1.jpg", "train/0001_c1.jpg", "own/query/0001_c1.jpg", "query/0001_c1.txt"])
def test_a_drawn_image_in_another_folder(key):
    with pytest.raises(UserError, match="is no image in one of the folders"):
        name_of_drawn(key)


def test_a_link_to_a_folder(refused, copy, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (copy / "query" / "more").symlink_to(tmp_path / "elsewhere")
    assert (
        refused(copy)
        == f"{copy / 'query' / 'more'}: is a link to a folder; put the folder itself there, or remove the link"
    )


def test_a_folder_of_distractors_that_is_another_split(refused, copy):
    key = sorted(f"bounding_box_test/{image.name}" for image in (copy / "bounding_box_test").glob("[0-9]*"))[0]
    line = refused(copy, options={"distractor_folder": "bounding_box_test"})
    assert line.startswith(f"datasets.own: '{key}' is listed twice")
