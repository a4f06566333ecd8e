"""Images of one's own: by a pattern, by folders, by a table; names become numbers, splits are drawn where needed."""

import csv
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid.config.dataset import Division
from reid.data.protocol import count_positives, problems
from reid.data.readers.division import divided
from reid.data.readers.found import Found
from reid.data.readers.names import numbered
from tests.datasets import brief, put, read

SHOP = [
    f"{who}_{where}_{n}.jpg" for who in ("ann", "Bo Li", "Çan", "dave") for where in ("door", "till") for n in (1, 2)
]
PATTERN = r"(?P<identity>[^_/]+)_(?P<camera>[^_/]+)_\d+"


def test_a_pattern_finds_identity_and_camera(tmp_path):
    options = {"pattern": PATTERN}
    rows = read(put(tmp_path / "shop", SHOP), tmp_path, reader="names", options=options)
    assert {row.identity_name: row.identity for row in rows} == {"ann": 1, "Bo Li": 2, "Çan": 4, "dave": 3}
    assert {row.camera_name: row.camera for row in rows} == {"door": 1, "till": 2}
    assert all(row.key.startswith(f"{row.identity_name}_{row.camera_name}_") for row in rows)


def test_a_pattern_may_find_splits_in_folders(tmp_path):
    keys = [
        f"{split}/{key}" for split, who in (("Train", "ann"), ("test", "dave")) for key in SHOP if key.startswith(who)
    ]
    options = {"pattern": rf"(?P<split>[^/]+)/{PATTERN}"}
    rows = read(put(tmp_path / "shop", keys), tmp_path, reader="names", options=options)
    assert {(row.identity_name, row.split) for row in rows} == {
        ("ann", "train"),
        ("dave", "query"),
        ("dave", "gallery"),
    }


def test_a_folder_per_identity(tmp_path):
    keys = [f"{who}/{n}.jpg" for who in ("7", "12", "x") for n in range(4)]
    rows = read(put(tmp_path / "shop", keys), tmp_path, reader="folders", split={"train": 0.34})
    assert {row.identity_name: row.identity for row in rows} == {"7": 1, "12": 2, "x": 3}
    assert {(row.split, row.camera) for row in rows} == {("train", 2), ("query", 1), ("gallery", 2)}
    assert len({row.identity for row in rows if row.split == "train"}) == 1


def test_a_folder_per_split_and_identity_with_cameras_in_the_names(tmp_path):
    keys = [f"{split}/{who}/cam{camera}-{n}.jpg" for split, who in (("train", 1), ("query", 2), ("gallery", 2))
            for camera in (3, 10) for n in range(2)]  # fmt: skip
    rows = read(put(tmp_path / "shop", keys), tmp_path, reader="folders", options={"pattern": r"cam(?P<camera>\d+)-.*"})
    assert {(row.split, row.identity, row.camera) for row in rows} == {
        ("train", 1, 3), ("train", 1, 10), ("query", 2, 3), ("query", 2, 10), ("gallery", 2, 3), ("gallery", 2, 10),
    }  # fmt: skip


@pytest.mark.parametrize("reader", ["names", "folders"])
def test_the_identity_of_nobody_is_a_distractor(tmp_path, reader):
    keys = [f"{who}/{n}.jpg" for who in ("ann", "bo", "unknown") for n in range(3)]
    options = {"distractor_identity": "unknown"} | ({"pattern": "(?P<identity>.+)/.*"} if reader == "names" else {})
    rows = read(put(tmp_path / "shop", keys), tmp_path, reader=reader, options=options)
    assert {(row.split, row.identity_name) for row in rows if row.identity == 0} == {("gallery", "")}
    assert sum(row.identity == 0 for row in rows) == 3


def write_csv(path, lines, separator=",", encoding="utf-8") -> None:
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(lines)


TABLE = [
    ("path", "identity", "camera", "split"),
    ("a/1.jpg", "Ann", "front", "train"),
    ("a/2.jpg", "Ann", "back", "train"),
    (r"b\1.jpg", "Bo", "front", "query"),
    ("./b/2.jpg", "Bo", "back", "gallery"),
    ("c/1.jpg", "", "back", "gallery"),
]
ROWS = [
    ("a/1.jpg", "train", 1, 2),
    ("a/2.jpg", "train", 1, 1),
    ("b/1.jpg", "query", 2, 2),
    ("b/2.jpg", "gallery", 2, 1),
    ("c/1.jpg", "gallery", 0, 1),
]
IMAGES = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg", "not/listed.jpg"]


@pytest.mark.parametrize(("separator", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_a_table(tmp_path, separator, encoding):
    write_csv(tmp_path / "list.csv", [*TABLE, ()], separator, encoding)
    options = {"file": str(tmp_path / "list.csv"), "distractor_identity": ""}
    rows = read(put(tmp_path / "shop", IMAGES), tmp_path, reader="table", options=options)
    assert [(row.key, row.split, row.identity, row.camera) for row in rows] == ROWS


def test_a_table_in_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow reads Parquet")
    from pyarrow import parquet

    columns = dict(zip(TABLE[0], zip(*TABLE[1:], strict=True), strict=True))
    columns["identity"] = [7.0 if name == "Ann" else 8.0 if name else None for name in columns["identity"]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "list.parquet")
    options = {"file": str(tmp_path / "list.parquet"), "distractor_identity": ""}
    rows = read(put(tmp_path / "shop", IMAGES), tmp_path, reader="table", options=options)
    assert [(row.key, row.split, row.camera) for row in rows] == [
        (key, split, camera) for key, split, _, camera in ROWS
    ]
    assert [row.identity for row in rows] == [7, 7, 8, 8, 0]


def test_a_table_without_splits_and_cameras(tmp_path):
    write_csv(
        tmp_path / "list.csv",
        [("Identity", "note", "Path"), *((f"p{i}", "x", f"{i}/{n}.jpg") for i in range(6) for n in range(3))],
    )
    put(tmp_path / "shop", [f"{i}/{n}.jpg" for i in range(6) for n in range(3)])
    rows = read(tmp_path / "shop", tmp_path, reader="table", options={"file": str(tmp_path / "list.csv")})
    assert [sum(row.split == split for row in rows) for split in ("train", "query", "gallery")] == [9, 3, 6]


def test_a_dataset_that_trains_elsewhere_gives_all_its_people_to_the_test_half(tmp_path):
    rows = read(put(tmp_path / "shop", SHOP), tmp_path, reader="names", options={"pattern": PATTERN}, trains_on="other")
    assert brief(rows) == sorted(
        (split, who, camera) for split in ("query", "gallery") for who in (1, 2, 3, 4) for camera in (1, 2)
    )


@pytest.mark.parametrize(
    ("names", "least", "numbers"),
    [
        (["3", "11", "2"], 1, {"3": 3, "11": 11, "2": 2}),
        (["0003", "0011"], 1, {"0003": 3, "0011": 11}),
        (["0", "1"], 1, {"0": 1, "1": 2}),
        (["0", "1"], 0, {"0": 0, "1": 1}),
        (["7", "007"], 1, {"007": 1, "7": 2}),
        (["cam10", "cam2", "Cam1"], 1, {"Cam1": 1, "cam2": 2, "cam10": 3}),
        (["3", "x"], 1, {"3": 1, "x": 2}),
        (["12345678901", "2"], 1, {"2": 1, "12345678901": 2}),
        (["9" * 5000, "2"], 1, {"2": 1, "9" * 5000: 2}),
        (["٣", "4"], 1, {"4": 1, "٣": 2}),
        ([], 1, {}),
    ],
)
def test_names_become_numbers(names, least, numbers):
    assert numbered(names, least) == numbers


@given(st.lists(st.text(max_size=4)), st.integers(0, 1))
def test_numbers_are_different_and_independent_of_the_order(names, least):
    numbers = numbered(names, least)
    assert len(set(numbers.values())) == len(set(names))
    assert all(number >= least for number in numbers.values())
    assert numbered(random.Random(0).sample(names, len(names)), least) == numbers


people = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["1", "2", "3"])), min_size=1, max_size=60
).map(lambda seen: [Found(f"{number}.jpg", None, who, camera) for number, (who, camera) in enumerate(seen)])
splits = st.builds(
    Division, train=st.sampled_from([0.0, 0.3, 0.5, 1.0]), queries=st.integers(1, 3), seed=st.integers(0, 5)
)


@given(people, splits)
@settings(max_examples=60)
def test_drawn_splits_keep_their_promises(images, split):
    rows = divided(images, split, trains=True)
    of = {name: {row.identity for row in rows if row.split == name} for name in ("train", "query", "gallery")}
    count = {who: sum(row.identity == who for row in rows) for who in "abcdefgh"}
    pairs = [who for who in count if count[who] > 1]
    assert not of["train"] & (of["query"] | of["gallery"])
    assert len(of["train"]) == round(split.train * len(pairs))
    assert of["train"] <= set(pairs)
    assert [row._replace(split=None) for row in rows] == images
    for query in (row for row in rows if row.split == "query"):
        right = [row for row in rows if row.split == "gallery" and row.identity == query.identity]
        assert [row for row in right if row.camera != query.camera]
        same = [
            row for row in rows if row.split == "query" and (row.identity, row.camera) == (query.identity, query.camera)
        ]
        assert len(same) <= split.queries
    seen = {who: {row.camera for row in rows if row.identity == who and row.split != "train"} for who in "abcdefgh"}
    assert of["query"] == {who for who in seen if len(seen[who]) > 1}


@given(people, splits)
@settings(max_examples=30)
def test_a_draw_does_not_depend_on_the_order(images, split):
    mixed = random.Random(1).sample(images, len(images))
    assert sorted(divided(mixed, split, True)) == sorted(divided(images, split, True))


def test_another_seed_draws_otherwise():
    images = [Found(f"{who}/{n}.jpg", None, f"{who}", f"{n % 2}") for who in range(20) for n in range(4)]
    first, second = (
        {image.identity for image in divided(images, Division(seed=seed), True) if image.split == "train"}
        for seed in (0, 1)
    )
    assert len(first) == len(second) == 10
    assert first != second


def test_a_new_identity_leaves_most_others_where_they_were():
    images = [Found(f"{who}/{n}.jpg", None, f"{who}", None) for who in range(101) for n in range(3)]
    before, after = (
        {image.identity for image in divided(part, Division(), True) if image.split == "train"}
        for part in (images[:300], images)
    )
    assert len(before ^ after) <= 2


def test_drawn_splits_have_no_finding_but_what_is_not_known(tmp_path):
    rows = read(put(tmp_path / "shop", SHOP), tmp_path, reader="names", options={"pattern": PATTERN})
    assert problems(rows, count_positives(rows)) == []
    plain = read(
        put(tmp_path / "plain", [f"{who}/{n}.jpg" for who in "abcd" for n in range(4)]), tmp_path, reader="folders"
    )
    assert [problem.name for problem in problems(plain, count_positives(plain))] == ["no_cameras"]
