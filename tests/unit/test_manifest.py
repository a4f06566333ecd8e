"""From file names to the rows of a manifest, and back from its file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artefacts.errors import UserError
from reid.data.manifest import SPLITS, ImageRow, is_inside, read_manifest, write_manifest
from reid.data.protocol import check_counts, check_identities, warnings
from reid.data.readers import contained, list_folder, parse_key
from tests.people import stage


def row(key="query/0001_c1.jpg", split="query", identity=1, camera=1, width=64, height=128, sha256=None) -> ImageRow:
    return ImageRow(key, split, identity, camera, width, height, sha256 or key.ljust(64, "0")[:64])


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
    assert parse_key(key) == (key, split, identity, camera)


rows_of_any_kind = st.lists(
    st.builds(
        ImageRow,
        key=st.text(st.characters(exclude_categories=["C"], exclude_characters="\\:"), min_size=1).filter(is_inside),
        split=st.sampled_from(SPLITS),
        identity=st.integers(0, 10**9),
        camera=st.integers(0, 9999),
        width=st.integers(0, 10**4),
        height=st.integers(0, 10**4),
        sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
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
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        (tmp_path / folder).mkdir()
        for name in ("0001_c1.JPG", "0001_c2.Jpeg", "Thumbs.db", "readme.txt", "._0001_c1.jpg"):
            (tmp_path / folder / name).touch()
        (tmp_path / folder / "0002_c1.jpg").mkdir()
    assert list_folder(tmp_path, "own", ("query",)) == ["query/0001_c1.JPG", "query/0001_c2.Jpeg"]
    assert len(list_folder(tmp_path, "own", SPLITS)) == 6


def test_a_dataset_trained_elsewhere_needs_no_training_folder(tmp_path):
    for folder in ("query", "bounding_box_test"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0001_c1.jpg").touch()
    assert len(list_folder(tmp_path, "own", SPLITS[1:])) == 2


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


def test_matching_counts_and_pairs_pass():
    pair = [row("a", "train", 1), row("b", "train", 1)]
    check_counts([*pair, row()], {"train": 2, "query": 1}, "datasets.own")
    check_identities([*pair, row(), row("c", "gallery", 0)])


SAME = "0" * 64
GALLERY = [row("g1", "gallery", 1, 2), row("g2", "gallery", 2, 1), row("g3", "gallery", 0, 1)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row("q", identity=3)], "1 queries (first q) of people whom the gallery does not show"),
        ([row("q", identity=2)], "1 queries (first q) of people whom the gallery shows on the query's camera"),
        ([row("q"), row("t", "train", 1)], "1 identities (first 1) are in both train and query"),
        ([row("q", width=0, height=0)], "1 images (first q) that cannot be read"),
        ([row("q", sha256=SAME), row("t", "gallery", sha256=SAME)], "several splits with the same content: first q"),
        ([row("a", "gallery", 8, sha256=SAME), row("b", "gallery", 9, sha256=SAME)], "under different identities"),
    ],
)
def test_oddities_are_warned_of(rows, words):
    found = list(warnings([*rows, *GALLERY]))
    assert len(found) == 1
    assert words in found[0]


def test_a_good_dataset_gives_no_warning(people):
    assert list(warnings(read_manifest(people.manifest))) == []
