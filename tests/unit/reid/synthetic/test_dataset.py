"""Rendered people: the same every time, in the Market-1501 layout, with a truth that agrees with itself."""

import csv
import json
from collections import Counter
from pathlib import PurePosixPath

import h5py
import numpy as np
import pytest
from PIL import Image

from reid.data.readers.market1501 import name_of_drawn
from reid.synthetic.dataset import MAX_PEOPLE, plan_shots
from reid.synthetic.people import COCO_KEYPOINTS, PARTS
from tests.people import PEOPLE, draw, stage


@pytest.fixture(scope="module")
def truth(people):
    with h5py.File(people.truth) as file:
        yield {name: file[name][:] for name in ("key", "keypoints", "people", "parts")} | {"attrs": dict(file.attrs)}


def digests(index) -> dict[str, str]:
    with open(index, newline="") as file:
        return {row["key"]: row["sha256"] for row in csv.DictReader(file)}


def test_the_same_seed_draws_the_same_files_whatever_the_threads(people, tmp_path):
    index = tmp_path / "index.csv"
    assert stage("draw", config={"synthetic": PEOPLE}, index=index, truth=tmp_path / "truth.h5", threads=2) == 0
    assert index.read_bytes() == people.index.read_bytes()
    for name in ("keypoints", "parts", "people"):
        with h5py.File(tmp_path / "truth.h5") as again, h5py.File(people.truth) as first:
            assert np.array_equal(again[name][:], first[name][:])


def test_another_seed_draws_other_people(people, tmp_path):
    other = digests(draw(tmp_path, seed=4))
    assert other.keys() == digests(people.index).keys()
    assert not set(other.values()) & set(digests(people.index).values())


def test_counts_follow_the_configuration(people):
    names = [name_of_drawn(key) for key in digests(people.index)]
    assert Counter(name.split for name in names) == {"train": 24, "query": 12, "gallery": 12 + 4 + 2}
    assert sum(name.identity == 0 for name in names) == PEOPLE["distractors"]
    assert sum(name.identity == -1 for name in names) == PEOPLE["junk"]
    assert {name.identity for name in names if name.split == "train"} == {1, 2, 3, 4}
    assert {name.identity for name in names if name.split == "query"} == {5, 6, 7, 8}
    assert {name.camera for name in names} == {1, 2, 3}


def test_the_reader_understands_every_planned_name():
    for shot in plan_shots(identities=5, images=4, cameras=99, distractors=3, junk=2):
        assert name_of_drawn(shot.key)[:4] == (shot.key, shot.split, shot.identity, shot.camera)


def test_each_query_is_seen_on_another_camera_too(people):
    names = [name_of_drawn(key) for key in digests(people.index)]
    for query in (name for name in names if name.split == "query"):
        cameras = {name.camera for name in names if name.split == "gallery" and name.identity == query.identity}
        assert cameras - {query.camera}


def test_images_have_the_configured_size(people):
    for key in digests(people.index):
        with Image.open(people.root / key) as image:
            assert image.size == (PEOPLE["width"], PEOPLE["height"])


def test_truth_lists_the_images_in_order(people, truth):
    assert [key.decode() for key in truth["key"]] == list(digests(people.index))
    assert json.loads(truth["attrs"]["part_names"]) == PARTS
    assert truth["keypoints"].shape == (54, MAX_PEOPLE, len(COCO_KEYPOINTS), 3)
    assert truth["parts"].max() < len(PARTS)


def test_keypoints_are_inside_unless_marked_outside(truth):
    x, y, visibility = np.moveaxis(truth["keypoints"][:, 0], -1, 0)
    assert set(np.unique(visibility)) <= {0, 1, 2}
    inside = (np.round(x) >= 0) & (np.round(x) < 64) & (np.round(y) >= 0) & (np.round(y) < 128)
    assert np.array_equal(inside, visibility > 0)


def test_absent_people_have_no_keypoints(truth):
    for keypoints, people in zip(truth["keypoints"], truth["people"], strict=True):
        assert 1 <= people <= MAX_PEOPLE
        assert (keypoints[:people, :, 2] > 0).any(axis=1).all()
        assert not keypoints[people:].any()


LIMBS = {
    "nose": {"head"},
    "left_elbow": {"left_upper_arm", "left_lower_arm"},
    "right_elbow": {"right_upper_arm", "right_lower_arm"},
    "left_knee": {"left_thigh", "left_shin"},
    "right_knee": {"right_thigh", "right_shin"},
}


@pytest.mark.parametrize("joint", LIMBS)
def test_a_seen_joint_lies_on_its_limb(truth, joint):
    """Most often: a hand or a bag may be in front of a joint by less than the body's depth."""
    points = truth["keypoints"][:, 0, COCO_KEYPOINTS.index(joint)]
    seen = np.flatnonzero(points[:, 2] == 2)
    assert len(seen) > 10
    columns, rows = np.round(points[seen, :2]).astype(int).T
    parts = [PARTS[part] for part in truth["parts"][seen, rows, columns]]
    assert np.mean([part in LIMBS[joint] for part in parts]) > 0.8
    assert "background" not in parts


def test_queries_show_less_of_the_person(truth):
    queries = np.array([PurePosixPath(key.decode()).parts[0] == "query" for key in truth["key"]])
    shown = (truth["parts"] > 0).mean(axis=(1, 2))
    assert shown[queries].mean() < 0.75 * shown[~queries].mean()


def test_whole_queries_are_drawn_besides_the_occluded_ones(people, truth, tmp_path):
    """One more of each identity and camera, out of the gallery's images; no other image changes."""
    index = draw(tmp_path, whole_queries=True)
    names = {name.key: name for name in map(name_of_drawn, digests(index))}
    with open(index.with_name("queries.csv"), newline="") as file:
        groups = {row["key"]: row["group"] for row in csv.DictReader(file)}
    assert groups.keys() == {key for key, name in names.items() if name.split == "query"}
    seen = {group: Counter((names[key].identity, names[key].camera) for key in groups if groups[key] == group)
            for group in ("occluded", "whole")}  # fmt: skip
    assert seen["whole"] == seen["occluded"]
    assert set(seen["whole"].values()) == {1}
    before, after = digests(people.index), digests(index)
    assert all(after[key] == before[key] for key in after.keys() & before.keys())
    assert after.keys() - before.keys() == {key for key, group in groups.items() if group == "whole"}
    with h5py.File(index.with_name("truth.h5")) as file:
        shown = dict(zip(file["key"].asstr()[:], (file["parts"][:] > 0).mean(axis=(1, 2)), strict=True))
    mean = {group: np.mean([shown[key] for key in groups if groups[key] == group]) for group in seen}
    assert mean["occluded"] < 0.75 * mean["whole"]
