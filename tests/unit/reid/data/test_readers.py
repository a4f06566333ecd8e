"""Published datasets are read from the folders in which they are distributed, however they were unpacked."""

import json

import pytest

from reid.config.root import Dataset
from reid.data.readers.layouts.msmt17 import TEST_IDENTITIES
from tests.datasets import brief, market, put, read, write_lists, write_table

OCCLUDED_REID = [
    f"{kind}_body_images/{person:03d}/{person:03d}_{number:02d}.tif"
    for kind in ("occluded", "whole")
    for person in (1, 2, 200)
    for number in (1, 2)
]
P_DUKEMTMC = [
    f"{half}/{kind}_body_images/{person:04d}/{person:04d}_c{camera}_f004698{camera}.jpg"
    for half, people in (("train", (5, 6)), ("test", (9, 1200)))
    for kind in ("occluded", "whole")
    for person in people
    for camera in (2, 8)
]


@pytest.mark.parametrize("prefix", ["", "Market-1501-v15.09.15/", "market1501/Market-1501-v15.09.15/"])
def test_market1501_however_deep_it_was_unpacked(tmp_path, prefix):
    rows = read(put(tmp_path / "data", market(prefix)), tmp_path, reader="market1501")
    assert len(rows) == 6 + 4 + 6
    assert {row.split for row in rows if row.identity in (2, 7, 10)} == {"train"}
    assert [(row.identity_name, row.camera) for row in rows if row.identity == 0] == [("0000", 1), ("0000", 2)]
    assert all(row.key.startswith(f"{prefix}{'bounding_box' * (row.split != 'query')}") for row in rows)


def test_folders_in_another_letter_case(tmp_path):
    keys = [key.replace("bounding_box_train", "Bounding_Box_Train").replace("query", "Query") for key in market()]
    rows = read(put(tmp_path / "data", keys), tmp_path, reader="market1501")
    assert sum(row.split == "train" for row in rows) == 6
    assert any(row.key.startswith("Query/") for row in rows)


@pytest.mark.parametrize("names", ["0000_c1s1_{:06d}_00.jpg", "0815_c2s1_{:06d}_00.jpg", "{:d}.jpg"])
def test_market1501_with_more_distractors(tmp_path, names):
    root = put(tmp_path / "data", [*market("Market-1501-v15.09.15/"), *(f"images/{names.format(i)}" for i in range(5))])
    plain = read(root, tmp_path, reader="market1501")
    rows = read(root, tmp_path, reader="market1501", options={"distractor_folder": "images"})
    more = [row for row in rows if row.key.startswith("images/")]
    assert len(rows) == len(plain) + 5
    assert {(row.split, row.identity) for row in more} == {("gallery", 0)}


@pytest.mark.parametrize("prefix", ["", "DukeMTMC-reID/", "Occluded_Duke/"])
def test_dukemtmc_and_occluded_duke(tmp_path, prefix):
    keys = [
        f"{prefix}{folder}/0005_c{camera}_f0046985.jpg"
        for camera in (2, 5)
        for folder in ("query", "bounding_box_test")
    ]
    keys += [f"{prefix}bounding_box_train/0001_c{camera}_f0046182.jpg" for camera in (1, 2)]
    assert brief(read(put(tmp_path / "data", keys), tmp_path, reader="market1501")) == [
        ("gallery", 5, 2), ("gallery", 5, 5), ("query", 5, 2), ("query", 5, 5), ("train", 1, 1), ("train", 1, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_cuhk03_np(tmp_path, boxes):
    keys = [
        f"cuhk03-np/{one}/bounding_box_train/{i:04d}_c{c}_{i}.png"
        for one in ("labeled", "detected")
        for i in (1, 2)
        for c in (1, 2)
    ]
    keys += [
        f"cuhk03-np/{one}/{folder}/0003_c{c}_{i}.png"
        for one in ("labeled", "detected")
        for folder, i in (("query", 1), ("bounding_box_test", 2))
        for c in (1, 2)
    ]
    root = put(tmp_path / "data", keys) / "cuhk03-np" / boxes
    rows = read(root, tmp_path, reader="market1501")
    assert brief(rows)[:4] == [("gallery", 3, 1), ("gallery", 3, 2), ("query", 3, 1), ("query", 3, 2)]
    assert len(rows) == 8


@pytest.mark.parametrize("prefix", ["", "Occluded_REID/", "ICME2018/Occluded_REID/"])
def test_occluded_reid(tmp_path, prefix):
    root = put(tmp_path / "data", [prefix + key for key in OCCLUDED_REID])
    rows = read(root, tmp_path, reader="occluded_reid", trains_on="other")
    people = [person for person in (1, 2, 200) for _ in range(2)]
    assert brief(rows) == [("gallery", person, 2) for person in people] + [("query", person, 1) for person in people]
    assert rows[0].identity_name == "001"
    assert rows[0].camera_name == ""


def test_p_dukemtmc(tmp_path):
    rows = read(put(tmp_path / "data", [f"P-DukeMTMC-reid/{key}" for key in P_DUKEMTMC]), tmp_path, reader="p_dukemtmc")
    assert {row.identity for row in rows if row.split == "train"} == {5, 6}
    assert {(row.split, row.camera) for row in rows} == {("train", 1), ("train", 2), ("query", 1), ("gallery", 2)}
    assert all(("occluded" in row.key) == (row.camera == 1) for row in rows)


@pytest.mark.parametrize(("options", "folder"), [({}, "partial"), ({"queries": "occluded"}, "occluded")])
def test_partial_reid_asks_with_one_of_its_two_kinds(tmp_path, options, folder):
    kinds = ("partial", "occluded", "whole")
    keys = [
        f"Partial-REID_Dataset/{kind}_body_images/{i:03d}_{n:03d}.jpg"
        for kind in kinds
        for i in (1, 60)
        for n in (1, 2)
    ]
    rows = read(put(tmp_path / "data", keys), tmp_path, reader="partial_reid", options=options, trains_on="other")
    assert {row.key.split("/")[1] for row in rows if row.split == "query"} == {f"{folder}_body_images"}
    assert brief(rows) == [("gallery", i, 2) for i in (1, 1, 60, 60)] + [("query", i, 1) for i in (1, 1, 60, 60)]


def msmt17(root, prefix: str, train: str, test: str) -> None:
    """MSMT17 with two people in each half, whose numbers are the same."""
    name = "{0:04d}/{0:04d}_{1:03d}_{2:02d}_0303morning_0008_{1}{3}.jpg"
    images = {
        half: [
            (name.format(person, n, camera, "_ex" * (n == 1)), person)
            for person in (0, 1)
            for n, camera in enumerate((1, 15, 7))
        ]
        for half in ("train", "test")
    }
    put(
        root,
        [
            f"{prefix}{folder}/{image}"
            for half, folder in (("train", train), ("test", test))
            for image, _ in images[half]
        ],
    )
    lines = {half: [f"{image} {person}" for image, person in images[half]] for half in images}
    write_lists(
        root / prefix, train=lines["train"][:2] + lines["train"][3:], val=lines["train"][2:3],
        query=lines["test"][::3], gallery=[line for number, line in enumerate(lines["test"]) if number % 3],
    )  # fmt: skip


@pytest.mark.parametrize(
    "layout",
    [("MSMT17_V1/", "train", "test"), ("MSMT17_V2/", "mask_train_v2", "mask_test_v2"), ("", "train", "test"),
     ("msmt17/MSMT17_V2/", "mask_train_v2", "mask_test_v2")],
)  # fmt: skip
def test_msmt17_in_both_versions(tmp_path, layout):
    msmt17(tmp_path / "data", *layout)
    rows = read(tmp_path / "data", tmp_path, reader="msmt17")
    test = [TEST_IDENTITIES + 1, TEST_IDENTITIES + 2]
    assert brief(rows) == sorted(
        [("train", person, camera) for person in (1, 2) for camera in (1, 7, 15)]
        + [("query", person, 1) for person in test]
        + [("gallery", person, camera) for person in test for camera in (7, 15)]
    )
    assert {row.identity_name for row in rows} == {"train 0", "train 1", "test 0", "test 1"}


@pytest.mark.parametrize("prefix", ["", "PoseTrack21/occluded_posetrack_reid/"])
def test_occluded_posetrack(tmp_path, prefix):
    crops = {
        "train": {1: "000001_bonn/12_000001_100.jpg", 2: "000001_bonn/12_000001_101.jpg", 3: None},
        "val": {7: "000342_mpii/40_000342_1.jpg", 8: "000342_mpii/40_000342_2.jpg", 9: "000342_mpii/41_000342_2.jpg"},
    }
    splits = {"train": ["train", "train", "none"], "val": ["query", "gallery", "gallery"]}
    folder = tmp_path / "data" / prefix
    for half, of in crops.items():
        put(folder / "images" / half, [crop for crop in of.values() if crop])
        write_table(
            folder / "images/anns" / f"{half}_reid_crops_anns.json", id=list(of), reid_crop_path=list(of.values())
        )
        write_table(folder / f"{half}_dataset_sampling.json", id=list(of), split=splits[half])
    assert brief(read(tmp_path / "data", tmp_path, reader="occluded_posetrack")) == [
        ("gallery", 41, 2), ("gallery", 42, 2), ("query", 41, 1), ("train", 13, 1), ("train", 13, 1),
    ]  # fmt: skip


def test_every_configured_dataset_has_a_reader_whose_folder_is_missed_by_name(config, tmp_path, capsys):
    from tests.people import stage

    for name, entry in config.datasets.items():
        if entry.synthetic:
            continue
        dataset = json.loads(Dataset.model_validate_json(entry.model_dump_json()).model_dump_json())
        kept = {key: dataset[key] for key in ("reader", "options", "trains_on", "expected")}
        slice_ = {"name": name, "dataset": {**kept, "root": str(tmp_path / name)}}
        assert stage("manifest", config=slice_, manifest=tmp_path / "m.csv") == 1
        line = capsys.readouterr().err.strip()
        assert line.startswith(f"error: {tmp_path / name}: has no folder")
        assert f"datasets.{name}.root" in line
