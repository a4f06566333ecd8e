"""Domains of rendered people: off they change nothing, each key changes the images, and the truth follows the boxes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from reid.config.dataset import Synthetic
from reid.config.domain import Domain
from reid.stages.draw import _scene as scene_of
from reid.synthetic.dataset import Shot, draw_shot
from reid.synthetic.people import COCO_KEYPOINTS, PART, PARTS
from tests.people import PEOPLE

SHOTS = [Shot("train", 1, 1, 1), Shot("train", 1, 2, 2), Shot("query", 5, 1, 25), Shot("gallery", 0, 2, 50)]
PLAIN_SHOTS = [
    *SHOTS, Shot("train", 7, 2, 7), Shot("query", 6, 3, 32), Shot("query", 1, 2, 28), Shot("gallery", -1, 3, 53),
]  # fmt: skip
KEYS = {
    "builds": 1.0, "coats": 1.0, "hats": 1.0, "bags": 1.0, "bicycles": 1.0, "box_shift": 0.2, "box_enlarged": 1.0,
    "half_bodies": 1.0, "textures": 1.0, "casts": 0.2, "exposure": 1.0, "motion_blur": 0.1, "resolution": [32, 64],
    "sensor_noise": 9.0, "jpeg": [20, 40],
}  # fmt: skip


def drawn(shots=SHOTS, **domain) -> list:
    return [draw_shot(shot, scene_of(configured(**domain))) for shot in shots]


def configured(**domain) -> Synthetic:
    return Synthetic.model_validate_json(json.dumps(PEOPLE | {"domain": domain}))


def test_without_a_domain_images_and_truth_are_what_they_were():
    """As a sheet of what was rendered before there were domains: means and deviations of 8x8 pixels, and parts there.

    Tolerances are what processors may differ by in their last digits.
    """
    with Image.open(Path(__file__).with_name("plain.png")) as sheet:
        means, deviations, parts = np.split(np.asarray(sheet, int), 3)
    images, truths = zip(*drawn(PLAIN_SHOTS), strict=True)
    blocks = np.stack([np.asarray(image, float).reshape(16, 8, 8, 8, 3) for image in images])
    np.testing.assert_allclose(np.hstack(blocks.mean((2, 4))), means, atol=1.5)
    np.testing.assert_allclose(np.hstack(blocks.std((2, 4))), deviations, atol=1.5)
    assert (np.hstack([truth.parts[4::8, 4::8] for truth in truths])[..., None] * 20 == parts).mean() > 0.98


def test_every_key_is_tried():
    assert KEYS.keys() == Domain.model_fields.keys()


@pytest.mark.parametrize("key", KEYS)
def test_each_key_changes_images_and_repeats_itself(key):
    plain, first, again = drawn(), drawn(**{key: KEYS[key]}), drawn(**{key: KEYS[key]})
    assert [image.tobytes() for image, _ in first] == [image.tobytes() for image, _ in again]
    assert any(image.tobytes() != other.tobytes() for (image, _), (other, _) in zip(first, plain, strict=True))
    assert all(image.size == (64, 128) for image, _ in first)


def test_cameras_and_sensors_leave_the_truth_alone():
    keys = ("casts", "exposure", "motion_blur", "resolution", "sensor_noise", "jpeg")
    for (_, truth), (_, plain) in zip(drawn(**{key: KEYS[key] for key in keys}), drawn(), strict=True):
        assert np.array_equal(truth.parts, plain.parts)
        assert np.array_equal(truth.keypoints, plain.keypoints)


SEEN = {"nose": {"head"}, "left_shoulder": {"torso", "left_upper_arm"}, "right_knee": {"right_thigh", "right_shin"}}


def test_the_truth_follows_a_badly_cut_box():
    shots = [Shot("train", identity, 1, 10 + identity) for identity in range(1, 40)]
    found = []
    for _, truth in drawn(shots, box_shift=0.3, box_enlarged=0.5, half_bodies=0.5):
        for joint, limbs in SEEN.items():
            x, y, visibility = truth.keypoints[0, COCO_KEYPOINTS.index(joint)]
            if visibility == 2:
                found.append(PARTS[truth.parts[round(y), round(x)]] in limbs)
    assert len(found) > 30
    assert np.mean(found) > 0.85


def test_half_bodies_end_above_the_feet_and_spare_queries():
    train, query = Shot("train", 1, 1, 1), Shot("query", 5, 1, 25)
    (_, half), (_, asked) = drawn([train, query], half_bodies=1.0)
    assert PART["head"] in half.parts
    assert not np.isin(half.parts, [PART["left_foot"], PART["right_foot"]]).any()
    assert np.array_equal(asked.parts, drawn([query])[0][1].parts)


def test_a_person_keeps_the_outfit_and_what_is_carried_is_no_part():
    shots = [Shot("train", 3, camera, camera) for camera in (1, 2, 3)]
    plain, bicycles = drawn(shots), drawn(shots, bicycles=1.0)
    for (image, truth), (old_image, old_truth) in zip(bicycles, plain, strict=True):
        changed = (np.abs(np.asarray(image, int) - np.asarray(old_image, int)) > 40).any(-1)
        assert changed.sum() > 50
        assert not truth.parts[(truth.parts != old_truth.parts)].any()


def test_a_range_upside_down_is_an_error_that_names_it():
    with pytest.raises(ValidationError, match=r"\[80, 40\]: must be a least and a greatest value"):
        configured(jpeg=[80, 40])
