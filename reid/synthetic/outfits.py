"""What people of another domain look like: builds, wide clothes, hats, bags and bicycles around `people`'s skeletons.

Wide clothes hang from shoulders and hips and do not follow the limbs that they hide. What is carried or pushed belongs
to the person's silhouette and is background among the parts.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from reid.config.domain import Domain
from reid.synthetic.people import CLOTHES, PART, Capsules, Cloth, Identity

RUBBER = Cloth(np.full((2, 3), 35, np.float32))


@dataclass(frozen=True)
class Outfit:
    """What stays the same of a person from image to image, beyond `Identity`: lengths are factors on the plain ones."""

    legs: float
    trunk: float
    width: float
    girth: float
    garment: str | None  # coat, dress, poncho
    hem: float  # height of the garment's end, as a share of the way from the hips to the ground
    flare: float  # metres that it is wider at its end than at the hips
    hat: str | None  # brim, hood, helmet
    bag: str | None  # trolley, shopping, rucksack, parcel
    bicycle: bool
    cloth: Cloth
    second: Cloth


def draw_outfit(domain: Domain, rng: np.random.Generator) -> Outfit:
    """A random outfit of the domain."""

    def one_of(kinds: list[str], share: float) -> str | None:
        kind, drawn = str(rng.choice(kinds)), rng.random()
        return kind if drawn < share else None

    legs, trunk, width = np.exp(domain.builds * rng.normal(0, 0.14, 3))
    girth = np.exp(domain.builds * rng.normal(0.1, 0.25))
    return Outfit(
        legs=float(np.clip(legs, 0.7, 1.4)),
        trunk=float(np.clip(trunk, 0.75, 1.35)),
        width=float(np.clip(width, 0.75, 1.4)),
        girth=float(np.clip(girth, 0.7, 1.7)),
        garment=one_of(["coat", "dress", "poncho"], domain.coats),
        hem=float(rng.uniform(0.35, 0.85)),
        flare=float(rng.uniform(0.0, 0.16)),
        hat=one_of(["brim", "hood", "helmet"], domain.hats),
        bag=one_of(["trolley", "shopping", "rucksack", "parcel"], domain.bags),
        bicycle=bool(rng.random() < domain.bicycles),
        cloth=_cloth(rng),
        second=_cloth(rng),
    )


def _cloth(rng: np.random.Generator) -> Cloth:
    colours = CLOTHES[rng.choice(len(CLOTHES), 2, replace=False)] + rng.normal(0, 9, (2, 3))
    pattern = str(rng.choice(["plain", "bands", "stripes", "checks"], p=[0.7, 0.12, 0.1, 0.08]))
    return Cloth(np.clip(colours, 0, 255).astype(np.float32), pattern, float(rng.uniform(0.1, 0.3)))


def build(identity: Identity, outfit: Outfit) -> Identity:
    """The identity with the outfit's girth."""
    return replace(identity, build=identity.build * outfit.girth)


def proportion(joints: dict[str, np.ndarray], outfit: Outfit) -> dict[str, np.ndarray]:
    """The joints with other lengths of legs and trunk and another width, as tall as before."""
    if outfit.legs == outfit.trunk == outfit.width == 1:
        return joints
    hip, top = joints["pelvis"][1], joints["head"][1]
    factor = top / (hip * outfit.legs + (top - hip) * outfit.trunk)

    def moved(joint: np.ndarray) -> np.ndarray:
        x, y, z = joint
        height = min(y, hip) * outfit.legs + max(y - hip, 0) * outfit.trunk
        return np.array([x * outfit.width, height * factor, z])

    around_head = {"head", "face", "nose", "left_eye", "right_eye", "left_ear", "right_ear"}
    head = moved(joints["head"]) - joints["head"]
    return {name: joint + head if name in around_head else moved(joint) for name, joint in joints.items()}


def wear(capsules: Capsules, identity: Identity, outfit: Outfit, joints: dict[str, np.ndarray]) -> Capsules:
    """The dressed skeleton with what the outfit adds to it."""
    size = identity.height / 1.75
    added = [*_garment(outfit, joints, size * identity.build), *_hat(outfit, joints, size)]
    added += [*_bag(outfit, joints, size), *_bicycle(outfit, joints, size)]
    if not added:
        return capsules
    ends, radii, parts, cloths = zip(*added, strict=True)
    return Capsules(
        np.concatenate([capsules.ends, np.array(ends, float)]),
        np.concatenate([capsules.radii, np.array(radii, float)]),
        np.concatenate([capsules.parts, np.array(parts, np.uint8)]),
        (*capsules.cloths, *cloths),
    )


def _garment(outfit: Outfit, joints: dict, build: float) -> list[tuple]:
    """Two cones side by side from the hips to the hem; a coat covers the trunk too, a poncho the arms."""
    if outfit.garment is None:
        return []
    cloth, pelvis, neck = outfit.cloth, joints["pelvis"], joints["neck"]
    ground = np.array([pelvis[0], 0.0, pelvis[2]])
    hem = pelvis + outfit.hem * (ground - pelvis)
    sideways = np.array([0.07 * build, 0, 0])
    pieces = []
    for side, sign in (("left", 1), ("right", -1)):
        hip, end = pelvis + sign * sideways, hem + sign * sideways * (1 + 4 * outfit.flare)
        if outfit.garment != "poncho":
            pieces.append(((hip, end), (0.14 * build, (0.15 + outfit.flare) * build), PART[f"{side}_thigh"], cloth))
        shoulder = joints[f"{side}_shoulder"]
        pieces.append(((hip, shoulder), (0.13 * build, 0.1 * build), PART["torso"], cloth))
        if outfit.garment == "coat":
            elbow, wrist = joints[f"{side}_elbow"], joints[f"{side}_wrist"]
            upper, lower = PART[f"{side}_upper_arm"], PART[f"{side}_lower_arm"]
            pieces.append(((shoulder, elbow), (0.085 * build, 0.08 * build), upper, cloth))
            pieces.append(((elbow, wrist), (0.08 * build, 0.075 * build), lower, cloth))
        elif outfit.garment == "poncho":
            wide = pelvis + np.array([sign * 0.24 * build, 0.05, 0])
            pieces.append(((shoulder, wide), (0.1 * build, 0.16 * build), PART["torso"], cloth))
    pieces.append(((pelvis, neck - [0, 0.08, 0]), (0.15 * build, 0.12 * build), PART["torso"], cloth))
    return pieces


def _hat(outfit: Outfit, joints: dict, size: float) -> list[tuple]:
    head, face = joints["head"], joints["face"]
    crown, forward, part = head + [0, 0.06 * size, 0], face - head, PART["head"]
    if outfit.hat == "brim":
        across = np.array([0.17 * size, 0, 0])
        along = np.array([0, 0, 0.17 * size])
        brims = [((crown - way, crown + way), (0.035 * size,) * 2, part, outfit.second) for way in (across, along)]
        return [*brims, ((crown, crown + [0, 0.08 * size, 0]), (0.105 * size, 0.09 * size), part, outfit.second)]
    if outfit.hat == "hood":
        back = head - 1.6 * forward
        return [((crown - 1.2 * forward, joints["neck"] - 1.6 * forward), (0.13 * size,) * 2, part, outfit.cloth),
                ((back, joints["neck"]), (0.125 * size, 0.12 * size), part, outfit.cloth)]  # fmt: skip
    if outfit.hat == "helmet":
        return [((crown - forward, crown + 0.6 * forward), (0.125 * size,) * 2, part, outfit.second)]
    return []


def _bag(outfit: Outfit, joints: dict, size: float) -> list[tuple]:
    cloth, nothing = outfit.second, PART["background"]
    if outfit.bag == "trolley":
        foot = np.array([joints["right_wrist"][0] - 0.12, 0.14 * size, joints["pelvis"][2] - 0.3])
        top = foot + [0, 0.38 * size, 0]
        handle = ((top, joints["right_wrist"]), (0.015, 0.015), nothing, RUBBER)
        return [((foot, top), (0.15 * size, 0.14 * size), nothing, cloth), handle]
    if outfit.bag == "shopping":
        hands = [joints[f"{side}_wrist"] - [0, 0.14, 0] for side in ("left", "right")]
        return [((hand, hand - [0, 0.2, 0]), (0.06 * size, 0.13 * size), nothing, cloth) for hand in hands]
    if outfit.bag == "rucksack":
        behind = np.array([0, 0, -0.24 * size])
        return [((joints["pelvis"] + behind, joints["neck"] + behind), (0.17 * size, 0.15 * size), nothing, cloth)]
    if outfit.bag == "parcel":
        chest = 0.5 * (joints["pelvis"] + joints["neck"]) + [0, 0, 0.27 * size]
        return [((chest - [0.16, 0, 0], chest + [0.16, 0, 0]), (0.17 * size, 0.17 * size), nothing, cloth)]
    return []


def _bicycle(outfit: Outfit, joints: dict, size: float) -> list[tuple]:
    """Two wheels, a frame and a handlebar to the person's left, in metres."""
    if not outfit.bicycle:
        return []
    x, nothing = joints["left_hip"][0] + 0.3 * size, PART["background"]

    def tube(start: tuple[float, float], end: tuple[float, float], radius: float, cloth: Cloth) -> tuple:
        ends = np.array([x, *start]), np.array([x, *end])
        return ends, (radius, radius), nothing, cloth

    tubes = []
    for centre in (-0.52, 0.52):
        turns = np.linspace(0, 2 * np.pi, 19)
        rim = [(0.34 + 0.33 * np.sin(turn), centre + 0.33 * np.cos(turn)) for turn in turns]
        tubes += [tube(start, end, 0.022, RUBBER) for start, end in pairwise(rim)]
    hub, pedal, saddle, head = (0.34, -0.52), (0.3, -0.05), (0.82, -0.2), (0.82, 0.36)
    for start, end in [
        (hub, pedal),
        (hub, saddle),
        (pedal, saddle),
        (pedal, head),
        (saddle, head),
        (head, (0.34, 0.52)),
    ]:
        tubes.append(tube(start, end, 0.025, outfit.cloth))
    tubes.append(tube((0.9, -0.3), (0.9, -0.1), 0.05, RUBBER))
    bar = np.array([x - 0.25, 1.0, 0.34]), np.array([x + 0.25, 1.0, 0.34])
    return [*tubes, tube(head, (1.0, 0.34), 0.02, RUBBER), (bar, (0.02, 0.02), nothing, RUBBER)]
