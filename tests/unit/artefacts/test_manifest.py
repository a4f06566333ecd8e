"""From file names to the rows of a manifest, and back from its file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artefacts.errors import UserError
from artefacts.files import is_inside
from artefacts.manifest import SPLITS, ImageRow, read_manifest, write_manifest
from reid.data.readers.files import contained, images_below
from reid.data.readers.market1501 import name_of_drawn, named
from tests.people import stage


@pytest.mark.parametrize(
    ("key", "split", "identity", "camera"),
    [
        ("bounding_box_train/0002_c1s1_000451_03.jpg", "train", 2, 1),
        ("bounding_box_test/-1_c3s2_000401_03.jpg", "gallery", -1, 3),
        ("bounding_box_test/0000_c6s3_000151_01.jpg.jpg", "gallery", 0, 6),
        ("query/0005_c2_f0046985.jpg", "query", 5, 2),
        ("query/12345_c014_2024-05-01.PNG", "query", 12345, 14),
        ("query/0001_c1.jpeg", "query", 1, 1),
    ],
)
def test_names_say_split_identity_and_camera(key, split, identity, camera):
    found = named(key, split)
    assert found[:4] == (key, split, identity, camera)
    assert (int(found.identity_name), int(found.camera_name)) == (identity, camera)
    assert name_of_drawn(key) == found


rows_of_any_kind = st.lists(
    st.builds(
        ImageRow,
        key=st.text(st.characters(exclude_categories=["C"], exclude_characters="\\"), min_size=1).filter(is_inside),
        split=st.sampled_from(SPLITS),
        identity=st.integers(0, 10**9),
        camera=st.integers(0, 9999),
        width=st.integers(0, 10**4),
        height=st.integers(0, 10**4),
        sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
        identity_name=st.text(st.characters(exclude_categories=["C"])),
        camera_name=st.text(st.characters(exclude_categories=["C"])),
    ),
    unique_by=lambda row: row.key,
)


@given(rows_of_any_kind)
@settings(max_examples=30)  # each is flushed to disk
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_manifest(path, rows)
    assert read_manifest(path) == sorted(rows)
    for split in SPLITS:
        assert read_manifest(path, split) == sorted(row for row in rows if row.split == split)


def test_the_drawn_people_are_listed(people):
    rows = read_manifest(people.manifest)
    assert [row.key for row in rows] == sorted(row.key for row in rows)
    assert {split: sum(row.split == split for row in rows) for split in SPLITS} == {
        "train": 24, "query": 12, "gallery": 16,
    }  # fmt: skip
    assert not any("/-1_" in row.key for row in rows)
    assert sum(row.identity == 0 for row in rows) == 4
    assert {(row.width, row.height) for row in rows} == {(64, 128)}


def test_a_folder_without_an_index_gives_the_same_manifest(people, tmp_path):
    config = {"name": "people", "dataset": people.entry}
    assert stage("manifest", config=config, manifest=tmp_path / "manifest.csv", threads=3) == 0
    assert (tmp_path / "manifest.csv").read_bytes() == people.manifest.read_bytes()


def test_other_files_are_passed_over(tmp_path):
    for name in ("0001_c1.JPG", "0001_c2.Jpeg", "Thumbs.db", "readme.txt", "._0001_c1.jpg", ".hidden/1_c1.jpg"):
        (tmp_path / "query" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "query" / name).touch()
    (tmp_path / "query" / "__MACOSX").mkdir()
    (tmp_path / "query" / "__MACOSX" / "0001_c1.jpg").touch()
    assert images_below(tmp_path) == ["query/0001_c1.JPG", "query/0001_c2.Jpeg"]


@pytest.mark.parametrize(
    "key",
    ["../a.jpg", "/etc/a.jpg", "query/../../a.jpg", "query/../query/a.jpg", "", ".", "a\\b.jpg", "C:/a.jpg", "a\0.jpg"],
)
def test_keys_that_lead_outside_are_known(people, key):
    assert not is_inside(key)
    with pytest.raises(UserError, match="leads outside"):
        contained(people.root, key)


def test_a_dataset_may_itself_be_a_link(people, tmp_path):
    (tmp_path / "linked").symlink_to(people.root)
    key = read_manifest(people.manifest)[0].key
    assert contained(tmp_path / "linked", key).is_file()


def test_a_colon_leads_nowhere():
    assert is_inside("cam1/12:30:05.jpg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the first line must be key,split"),
        ("key,split\n", "the first line must be key,split"),
        ("\xff\xfe", "is not a manifest"),
        ("{header}\na,query,1,1,9,9\n", "line 2: does not hold the 9 columns"),
        ("{header}\na,query,one,1,9,9,0,,\n", "line 2: does not hold the 9 columns"),
        ("{header}\na,query,1,1,9,9,0,,\nb,test,1,1,9,9,0,,\n", "line 3: the split 'test' is not one of"),
        ("{header}\n../a,query,1,1,9,9,0,,\n", "line 2: the key '../a' leads outside"),
        ("{header}\na,query,-1,1,9,9,0,,\n", "line 2: a number is negative"),
        ("{header}\na,query,1,1,9,9,0,,\na,query,1,1,9,9,0,,\n", "line 3: a is repeated or out of order"),
        ("{header}\nb,query,1,1,9,9,0,,\na,query,1,1,9,9,0,,\n", "line 3: a is repeated or out of order"),
    ],
)
def test_a_malformed_manifest(tmp_path, content, words):
    path = tmp_path / "manifest.csv"
    path.write_text(content.replace("{header}", ",".join(ImageRow._fields)), encoding="latin-1")
    with pytest.raises(UserError) as error:
        read_manifest(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_a_missing_manifest(tmp_path):
    with pytest.raises(UserError, match="no such manifest; run the manifest stage first"):
        read_manifest(tmp_path / "manifest.csv")


def test_a_failed_write_leaves_the_old_manifest(tmp_path):
    path = tmp_path / "manifest.csv"
    write_manifest(path, [])
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        write_manifest(path, [ImageRow("query/\udcff.jpg", "query", 1, 1, 9, 9, "0")])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.csv"]
