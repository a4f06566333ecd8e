"""People as 3D stick skeletons with capsule limbs: what an identity looks like, and one pose of it.

Body axes, in metres: x to the person's left, y up, z to the front; the origin lies on the ground between the feet.
"""

from dataclasses import dataclass

import numpy as np

COCO_KEYPOINTS = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()

PARTS = (
    "background head torso left_upper_arm right_upper_arm left_lower_arm right_lower_arm "
    "left_thigh right_thigh left_shin right_shin left_foot right_foot"
).split()
PART = {name: index for index, name in enumerate(PARTS)}

CLOTHES = np.array(
    [
        (30, 30, 34), (225, 225, 220), (128, 128, 132), (170, 30, 35), (35, 60, 135), (40, 105, 60), (215, 180, 60),
        (205, 110, 40), (105, 60, 130), (110, 75, 50), (95, 160, 200), (215, 130, 160),
    ],
    dtype=np.float32,
)  # fmt: skip
SKIN = np.array([(238, 205, 180), (224, 172, 135), (185, 130, 95), (130, 88, 62), (85, 56, 42)], dtype=np.float32)
HAIR = np.array(
    [(25, 20, 18), (70, 45, 28), (150, 105, 55), (205, 175, 120), (150, 150, 150), (120, 45, 25)], np.float32
)


@dataclass(frozen=True)
class Cloth:
    """One garment: two colours and how they alternate (`plain`, `bands`, `stripes`, `halves`, `checks`)."""

    colours: np.ndarray  # [2, 3], 0..255
    pattern: str = "plain"
    period: float = 0.25  # of the garment's length or width


@dataclass(frozen=True)
class Identity:
    """All that stays the same of a person from image to image."""

    height: float  # metres
    build: float  # factor on limb radii
    skin: Cloth
    hair: Cloth
    hair_style: str  # short, long, bald, hat
    upper: Cloth
    sleeves: str  # long, short
    lower: Cloth
    legwear: str  # trousers, shorts, skirt
    shoes: Cloth
    carried: str  # nothing, backpack, bag
    bag: Cloth


@dataclass(frozen=True)
class Capsules:
    """Limbs of one posed person: a sphere swept along a segment, its radius varying linearly.

    `ends` [M, 2, 3] and `radii` [M, 2] in metres, `parts` [M] index into PARTS, `cloths` one garment a capsule.
    """

    ends: np.ndarray
    radii: np.ndarray
    parts: np.ndarray
    cloths: tuple[Cloth, ...]


def draw_identity(rng: np.random.Generator) -> Identity:
    """A random person. Clothes come from a small palette, so that single parts look alike across identities."""

    def cloth(patterns: list[str], weights: list[float]) -> Cloth:
        first, second = CLOTHES[rng.choice(len(CLOTHES), 2, replace=False)]
        colours = np.clip(np.stack([first, second]) + rng.normal(0, 9, (2, 3)), 0, 255).astype(np.float32)
        return Cloth(colours, str(rng.choice(patterns, p=weights)), float(rng.uniform(0.16, 0.34)))

    def plain(palette: np.ndarray) -> Cloth:
        colour = np.clip(palette[rng.integers(len(palette))] + rng.normal(0, 6, 3), 0, 255).astype(np.float32)
        return Cloth(np.stack([colour, colour * 0.8]))

    return Identity(
        height=float(np.clip(rng.normal(1.72, 0.09), 1.5, 1.95)),
        build=float(rng.uniform(0.85, 1.3)),
        skin=plain(SKIN),
        hair=plain(HAIR),
        hair_style=str(rng.choice(["short", "long", "bald", "hat"], p=[0.45, 0.3, 0.08, 0.17])),
        upper=cloth(["plain", "bands", "stripes", "halves", "checks"], [0.45, 0.2, 0.12, 0.13, 0.1]),
        sleeves=str(rng.choice(["long", "short"], p=[0.55, 0.45])),
        lower=cloth(["plain", "stripes", "halves"], [0.8, 0.1, 0.1]),
        legwear=str(rng.choice(["trousers", "shorts", "skirt"], p=[0.6, 0.22, 0.18])),
        shoes=plain(CLOTHES),
        carried=str(rng.choice(["nothing", "backpack", "bag"], p=[0.55, 0.25, 0.2])),
        bag=cloth(["plain", "halves"], [0.8, 0.2]),
    )


def draw_pose(identity: Identity, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Joints of a person who walks, stands, or lifts a hand, in body axes (metres)."""
    size = identity.height / 1.75
    stance = rng.choice(["walk", "stand", "gesture"], p=[0.6, 0.2, 0.2])
    swing = rng.uniform(0.15, 0.6) * rng.choice([-1, 1]) if stance == "walk" else rng.normal(0, 0.06)
    lean = rng.normal(0.03, 0.05)
    hip_height, width = 0.93 * size, identity.build**0.5 * size
    joints: dict[str, np.ndarray] = {"pelvis": np.array([0, hip_height, 0])}
    up = np.array([0, np.cos(lean), np.sin(lean)])
    joints["neck"] = joints["pelvis"] + 0.56 * size * up
    joints["head"] = joints["neck"] + 0.175 * size * up + np.array([0, 0, 0.02])
    for side, sign in (("left", 1), ("right", -1)):
        across = np.array([sign, 0, 0.0])
        joints[f"{side}_hip"] = joints["pelvis"] + 0.095 * width * across
        joints[f"{side}_shoulder"] = joints["neck"] + 0.185 * width * across - 0.05 * size * up
        flexion = sign * swing + rng.normal(0, 0.05)
        bend = abs(rng.normal(0.1, 0.08)) + (0.7 * max(0.0, -flexion) if stance == "walk" else 0.0)
        spread = sign * abs(rng.normal(0.04, 0.04))
        knee = joints[f"{side}_hip"] + 0.45 * size * _swing(flexion, spread)
        ankle = knee + 0.42 * size * _swing(flexion - bend, spread * 0.5)
        joints[f"{side}_knee"], joints[f"{side}_ankle"] = knee, ankle
        joints[f"{side}_toe"] = ankle + 0.17 * size * _swing(flexion - bend + 1.35, sign * 0.15)
        raised = stance == "gesture" and rng.random() < 0.6
        lift = rng.uniform(0.4, 2.4) if raised else -sign * swing * 0.8 + rng.normal(0, 0.15)
        elbow_bend = rng.uniform(0.5, 2.2) if raised else abs(rng.normal(0.35, 0.3))
        away = sign * (abs(rng.normal(0.12, 0.12)) + (rng.uniform(0, 0.7) if raised else 0))
        elbow = joints[f"{side}_shoulder"] + 0.29 * size * _swing(lift, away)
        joints[f"{side}_elbow"] = elbow
        joints[f"{side}_wrist"] = elbow + 0.26 * size * _swing(lift + elbow_bend, away * rng.uniform(-0.6, 1.2))
    lowest = min(joints["left_ankle"][1], joints["right_ankle"][1]) - 0.07 * size
    return _with_face({name: joint - [0, lowest, 0] for name, joint in joints.items()}, size, rng)


def _swing(forward: float, aside: float) -> np.ndarray:
    """Unit vector of a limb that hangs straight down, swung `forward` and `aside` by so many radians."""
    return np.array([np.sin(aside), -np.cos(aside) * np.cos(forward), np.cos(aside) * np.sin(forward)])


def _with_face(joints: dict[str, np.ndarray], size: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    turn = rng.normal(0, 0.3)
    front = np.array([np.sin(turn), 0, np.cos(turn)])
    left = np.array([np.cos(turn), 0, -np.sin(turn)])
    head = joints["head"]
    joints["nose"] = head + size * (0.115 * front + [0, -0.005, 0])
    joints["face"] = head + size * 0.03 * front
    for side, sign in (("left", 1), ("right", -1)):
        joints[f"{side}_eye"] = head + size * (0.095 * front + 0.036 * sign * left + [0, 0.03, 0])
        joints[f"{side}_ear"] = head + size * (0.09 * sign * left + [0, 0.005, 0])
    return joints


def dress(identity: Identity, joints: dict[str, np.ndarray]) -> Capsules:
    """The posed skeleton with its limbs, clothes, hair and what it carries."""
    size, build = identity.height / 1.75, identity.build * identity.height / 1.75
    limbs: list[tuple] = []

    def limb(start, end, radius0: float, radius1: float, part: str, cloth: Cloth) -> None:
        ends = [joints[point] if isinstance(point, str) else point for point in (start, end)]
        limbs.append((ends, (radius0, radius1), PART[part], cloth))

    _add_head(identity, joints, size, limb)
    waist = 0.45 * joints["pelvis"] + 0.55 * joints["neck"]
    limb(0.8 * joints["pelvis"] + 0.2 * joints["neck"], "neck", 0.11 * build, 0.1 * build, "torso", identity.upper)
    limb("left_shoulder", "right_shoulder", 0.068 * build, 0.068 * build, "torso", identity.upper)
    for side in ("left", "right"):
        limb(f"{side}_hip", f"{side}_shoulder", 0.095 * build, 0.085 * build, "torso", identity.upper)
        arm = identity.upper if identity.sleeves == "long" else identity.skin
        limb(f"{side}_shoulder", f"{side}_elbow", 0.062 * build, 0.05 * build, f"{side}_upper_arm", identity.upper)
        limb(f"{side}_elbow", f"{side}_wrist", 0.047 * build, 0.036 * build, f"{side}_lower_arm", arm)
        hand = joints[f"{side}_wrist"] + 0.25 * (joints[f"{side}_wrist"] - joints[f"{side}_elbow"])
        limb(f"{side}_wrist", hand, 0.04 * size, 0.03 * size, f"{side}_lower_arm", identity.skin)
        shin = identity.lower if identity.legwear == "trousers" else identity.skin
        limb(f"{side}_hip", f"{side}_knee", 0.098 * build, 0.068 * build, f"{side}_thigh", identity.lower)
        limb(f"{side}_knee", f"{side}_ankle", 0.064 * build, 0.045 * build, f"{side}_shin", shin)
        limb(f"{side}_ankle", f"{side}_toe", 0.052 * size, 0.04 * size, f"{side}_foot", identity.shoes)
        if identity.legwear == "skirt":
            middle = 0.5 * (joints[f"{side}_knee"] + 0.5 * (joints["left_knee"] + joints["right_knee"]))
            limb(f"{side}_hip", middle, 0.11 * build, 0.14 * build, f"{side}_thigh", identity.lower)
    if identity.carried == "backpack":
        behind = np.array([0, 0, -0.17 * build])
        limb(waist + behind, joints["neck"] + behind - [0, 0.1, 0], 0.13 * size, 0.11 * size, "torso", identity.bag)
    elif identity.carried == "bag":
        aside = joints["left_hip"] + np.array([0.1 * build, -0.06, 0])
        limb(aside - [0, 0.1, 0.06], aside + [0, 0, 0.08], 0.085 * size, 0.075 * size, "torso", identity.bag)
    ends, radii, parts, cloths = zip(*limbs, strict=True)
    return Capsules(np.array(ends, float), np.array(radii, float), np.array(parts, np.uint8), cloths)


def _add_head(identity: Identity, joints: dict[str, np.ndarray], size: float, limb) -> None:
    head, face = joints["head"], joints["face"]
    chin, crown = face - [0, 0.05 * size, 0], head + [0, 0.045 * size, 0]
    backward = head - face
    limb("neck", head, 0.055 * size, 0.055 * size, "head", identity.skin)
    limb(chin, face + [0, 0.03 * size, 0], 0.075 * size, 0.095 * size, "head", identity.skin)
    dark = Cloth(np.full((2, 3), 25, np.float32))
    for side in ("left", "right"):
        limb(f"{side}_eye", f"{side}_eye", 0.014 * size, 0.014 * size, "head", dark)
        limb(f"{side}_ear", f"{side}_ear", 0.022 * size, 0.022 * size, "head", identity.skin)
    limb("nose", "nose", 0.018 * size, 0.018 * size, "head", identity.skin)
    if identity.hair_style == "bald":
        return
    limb(crown + 0.5 * backward, crown + 1.2 * backward, 0.098 * size, 0.098 * size, "head", identity.hair)
    if identity.hair_style == "long":
        limb(head + 1.6 * backward, joints["neck"] + 2.2 * backward, 0.09 * size, 0.07 * size, "head", identity.hair)
    if identity.hair_style == "hat":
        limb(crown - 1.5 * backward, crown + backward, 0.1 * size, 0.105 * size, "head", identity.bag)
