"""Part schemes as data: which of PifPaf's 36 maps make up each body part, and what a mirror does to the parts."""

from dataclasses import dataclass

from parsing.config import Scheme

BACKGROUND = 0  # label of the scene
UNKNOWN = 255  # label of cells about which nothing is known; training ignores them

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip # of maps 0..16: COCO's
CONNECTIONS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip # keypoints that maps 17..35 join: the COCO person skeleton
CHANNEL_NAMES = (*KEYPOINTS, *(f"{KEYPOINTS[first]}-{KEYPOINTS[second]}" for first, second in CONNECTIONS))

# Which map tells best to what coarse part a fine part of the synthetic truth belongs.
TRUTH_CHANNELS = {
    "head": 0, "torso": 24, "left_upper_arm": 25, "right_upper_arm": 26, "left_lower_arm": 27, "right_lower_arm": 28,
    "left_thigh": 18, "right_thigh": 20, "left_shin": 17, "right_shin": 19, "left_foot": 15, "right_foot": 16,
}  # fmt: skip


@dataclass(frozen=True)
class PartScheme:
    """K parts, numbered 1..K in label maps; 0 is the background.

    `channels` are each part's maps; `mirrored` [K+1] is the label that each label becomes in the mirror.
    """

    part_names: tuple[str, ...]
    channels: tuple[tuple[int, ...], ...]
    mirrored: tuple[int, ...]

    def part_of_channel(self, channel: int) -> int:
        """Number of the first part that has `channel`, 0 if none has."""
        return next((number for number, own in enumerate(self.channels, 1) if channel in own), 0)


def part_scheme(scheme: Scheme) -> PartScheme:
    """The scheme of a configuration entry."""
    names = tuple(scheme.parts)
    mirrored = list(range(len(names) + 1))
    for left, right in scheme.mirrored:
        first, second = names.index(left) + 1, names.index(right) + 1
        mirrored[first], mirrored[second] = second, first
    return PartScheme(names, tuple(tuple(channels) for channels in scheme.parts.values()), tuple(mirrored))


def coarse_labels(truth_names: list[str], scheme: PartScheme) -> list[int]:
    """Label under `scheme` of each fine part of the synthetic truth, background included.

    Raises KeyError for a part that the synthetic truth does not have.
    """
    return [0 if name == "background" else scheme.part_of_channel(TRUTH_CHANNELS[name]) for name in truth_names]
