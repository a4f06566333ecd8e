"""A synthetic dataset in the Market-1501 layout, with ground truth next to it."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from artefacts.hdf5 import create_hdf5
from reid.config.domain import Domain
from reid.synthetic.boxes import recut
from reid.synthetic.outfits import Outfit, build, draw_outfit, proportion, wear
from reid.synthetic.people import COCO_KEYPOINTS, PARTS, Capsules, Identity, draw_identity, draw_pose, dress
from reid.synthetic.photograph import CameraLook, draw_look, photograph
from reid.synthetic.render import Canvas, View
from reid.synthetic.scenes import Camera, draw_occluder
from reid.synthetic.surfaces import textured

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
MAX_PEOPLE = 3  # in one image: who stands behind, the target, who stands in front
TARGET = 1  # owner number of the target on the canvas; others count on from it


@dataclass(frozen=True)
class Shot:
    """One image to be drawn: Market-1501 identity number (-1 junk, 0 distractor), camera from 1, number in the set.

    Nothing stands in front of a `whole` one.
    """

    split: str
    identity: int
    camera: int
    number: int
    whole: bool = False

    @property
    def key(self) -> str:
        identity = "-1" if self.identity < 0 else f"{self.identity:04d}"
        return f"{FOLDERS[self.split]}/{identity}_c{self.camera}s1_{self.number:06d}_01.jpg"


@dataclass(frozen=True)
class Scene:
    """What all images of a dataset share: `size` (width, height), the share of images with a person in the back
    (`crowd`), how much of the queries' bodies is hidden (`occlusion`, 0..1), and the domain that they are moved to."""

    seed: int
    cameras: list[Camera]
    size: tuple[int, int]
    crowd: float
    occlusion: float
    domain: Domain

    @cached_property
    def looks(self) -> list[CameraLook]:
        """Of each camera."""
        return [
            draw_look(self.domain, np.random.default_rng([self.seed, 6, camera])) for camera in range(len(self.cameras))
        ]


@dataclass(frozen=True)
class RenderedTruth:
    """The truth of a rendered image: `keypoints` [MAX_PEOPLE, 17, 3] (target first), `parts` [H, W] of the target."""

    keypoints: np.ndarray
    parts: np.ndarray
    people: int


def plan_shots(
    identities: int, images: int, cameras: int, distractors: int, junk: int, whole_queries: bool = False
) -> Iterator[Shot]:
    """Who is seen where: the first half of the identities trains; of the others each camera gives one query.

    With `whole_queries` it gives two, of which one is whole.
    """
    asked = cameras * (1 + whole_queries)
    number = 0
    for identity in range(1, identities + 1):
        trains = identity <= identities // 2
        for image in range(images):
            number += 1
            split = "train" if trains else "query" if image < asked else "gallery"
            yield Shot(split, identity, image % cameras + 1, number, whole=split == "query" and image >= cameras)
    for identity, count in ((0, distractors), (-1, junk)):
        for image in range(count):
            number += 1
            yield Shot("gallery", identity, image % cameras + 1, number)


def draw_shot(shot: Shot, scene: Scene):
    """The picture of one shot, as an image, with its truth.

    Queries that are not whole are heavily occluded; of the other images one in four is, lightly.
    """
    seed, size, domain = scene.seed, scene.size, scene.domain
    rng, domain_rng = np.random.default_rng([seed, 1, shot.number]), np.random.default_rng([seed, 4, shot.number])
    named = shot.identity > 0
    identity = draw_identity(np.random.default_rng([seed, 2, shot.identity] if named else [seed, 3, shot.number]))
    outfit = draw_outfit(domain, np.random.default_rng([seed, 5, shot.identity] if named else [seed, 7, shot.number]))
    camera = scene.cameras[shot.camera - 1]
    width, height = size
    canvas = Canvas(camera.background(size, rng))
    scale = height * rng.uniform(0.86, 0.95) / identity.height
    foot = (width * (0.5 + rng.normal(0, 0.035)), height * rng.uniform(0.955, 0.985))
    scale, foot = recut(domain, size, scale, foot, shot.split == "query", domain_rng)
    view = View(scale, foot, rng.uniform(0, 2 * np.pi), camera.pitch, 0.0, camera.light)
    joints, capsules = _clothed(identity, draw_pose(identity, rng), outfit)
    drawn = [(joints, view, TARGET)]
    canvas.draw_person(capsules, view, TARGET)
    others = _Others(canvas, view, domain, domain_rng)
    if rng.random() < scene.crowd:
        drawn.append(_draw_behind(others, TARGET + 1, rng))
    if not shot.whole and (shot.split == "query" or rng.random() < 0.25):
        severity = scene.occlusion if shot.split == "query" else None
        if rng.random() < (0.25 if severity is None else 0.3):
            drawn.append(_draw_in_front(others, TARGET + 2, rng, severity))
        else:
            head = view.project(joints["head"])[1] - 0.12 * scale
            occluder = draw_occluder(size, (foot[0], head, foot[1]), severity, rng)
            canvas.draw_object(*_surfaced(occluder, scene, domain_rng))
    keypoints = np.zeros((MAX_PEOPLE, len(COCO_KEYPOINTS), 3), np.float32)
    for row, (points, where, owner) in enumerate(drawn):
        keypoints[row] = canvas.keypoints(points, where, owner)
    parts = np.where(canvas.owner == TARGET, canvas.part, 0).astype(np.uint8)
    image = photograph(camera.expose(canvas.colour, rng), domain, scene.looks[shot.camera - 1], domain_rng)
    return image, RenderedTruth(keypoints, parts, len(drawn))


Joints = dict[str, np.ndarray]
Drawn = tuple[Joints, View, int]  # joints, view and owner number of a person on the canvas


def _clothed(identity: Identity, joints: Joints, outfit: Outfit) -> tuple[Joints, Capsules]:
    """The joints in the outfit's proportions, and all that is drawn of the person."""
    joints, built = proportion(joints, outfit), build(identity, outfit)
    return joints, wear(dress(built, joints), built, outfit, joints)


def _surfaced(occluder: tuple[np.ndarray, np.ndarray], scene: Scene, rng: np.random.Generator):
    """The occluder as it is, or with a texture, by the domain's share."""
    if rng.random() >= scene.domain.textures:
        return occluder
    return textured(occluder, scene.cameras[rng.integers(len(scene.cameras))].place, rng)


@dataclass(frozen=True)
class _Others:
    """Where people who are not the target are drawn, next to `view`, and the domain of their clothes."""

    canvas: Canvas
    view: View
    domain: Domain
    domain_rng: np.random.Generator


def _draw_behind(others: _Others, owner: int, rng: np.random.Generator) -> Drawn:
    """Another person, farther away and to one side of the target."""
    identity = draw_identity(rng)
    joints, side = draw_pose(identity, rng), rng.choice([-1, 1])
    scale, aside = others.view.scale * rng.uniform(0.6, 0.85), rng.uniform(0.25, 0.5)
    return _draw_next_to(others, (identity, joints), owner, (scale, side * aside, -0.06, -2.0), rng)


def _draw_in_front(others: _Others, owner: int, rng: np.random.Generator, severity: float | None) -> Drawn:
    """Another person, nearer than the target, hiding the more of it the higher the severity; an edge without one."""
    identity = draw_identity(rng)
    joints, side = draw_pose(identity, rng), rng.choice([-1, 1])
    visibility_margin = 0.0 if severity is None else 0.08 * (1 - severity)
    aside = (
        rng.uniform(0.36, 0.5) if severity is None else rng.uniform(0.14 + visibility_margin, 0.34 + visibility_margin)
    )
    scale, lower = others.view.scale * rng.uniform(1.0, 1.15), rng.uniform(0.05, 0.25)
    return _draw_next_to(others, (identity, joints), owner, (scale, side * aside, lower, 2.0), rng)


def _draw_next_to(others: _Others, person, owner: int, place, rng: np.random.Generator) -> Drawn:
    (identity, joints), (scale, aside, lower, depth) = person, place
    canvas, view = others.canvas, others.view
    height, width = canvas.near.shape
    foot = (view.foot[0] + aside * width, view.foot[1] + lower * height)
    other = View(scale, foot, rng.uniform(0, 2 * np.pi), view.pitch, depth, view.light)
    joints, capsules = _clothed(identity, joints, draw_outfit(others.domain, others.domain_rng))
    canvas.draw_person(capsules, other, owner)
    return joints, other, owner


def encode_jpeg(image, quality: int = 92) -> bytes:
    """The image as JPEG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write_truth(path: Path, keys: list[str], truths: list[RenderedTruth], seed: int) -> None:
    """HDF5 with `key`, `keypoints`, `parts` and `people` of every image; the target is person 0 of each."""
    with create_hdf5(path) as file:
        file["key"] = np.array(keys, dtype=h5py.string_dtype())
        file["keypoints"] = np.stack([truth.keypoints for truth in truths])
        file["people"] = np.array([truth.people for truth in truths], np.uint8)
        parts = np.stack([truth.parts for truth in truths])
        file.create_dataset("parts", data=parts, chunks=(1, *parts.shape[1:]), compression="gzip", compression_opts=4)
        file.attrs.update(
            seed=seed, part_names=json.dumps(PARTS), keypoint_names=json.dumps(COCO_KEYPOINTS), target_person=0
        )
