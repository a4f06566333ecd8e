"""How near decoded people and part labels come to a known truth."""

import numpy as np

NEAR = 0.1  # of the person's height: a keypoint within is correct (PCK@0.1)
# COCO's spread of each keypoint, as a share of the square root of a person's area.
SPREADS = 2 * np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
RIVAL = 3  # seen keypoints that make another person one that could be mistaken for the target
BODY_AREA = 0.53  # area of COCO's person masks as a share of their boxes
WIDTH_TO_HEIGHT = 0.41  # of an upright person, where the box is unknown
GROUPS = {
    "face": [0, 1, 2, 3, 4], "shoulders": [5, 6], "elbows": [7, 8], "wrists": [9, 10], "hips": [11, 12],
    "knees": [13, 14], "ankles": [15, 16],
}  # fmt: skip


def correct_keypoints(skeleton: np.ndarray, truth: np.ndarray, aspect: float) -> np.ndarray:
    """Whether each keypoint [17] that the truth shows was found within NEAR heights; NaN for those it does not show.

    `skeleton` [17, 3] x, y, confidence and `truth` [17, 3] x, y, visibility in units of width and height; `aspect` is
    width / height of the image.
    """
    near = _distances(skeleton, truth, aspect) <= NEAR * _height(truth)
    return np.where(truth[:, 2] == 2, near & (skeleton[:, 2] > 0), np.nan)


def similarity(skeleton: np.ndarray, truth: np.ndarray, aspect: float) -> float:
    """Object keypoint similarity in 0..1: mean over seen keypoints of exp(-d² / 2 area σ²), missing ones counting 0."""
    seen = truth[:, 2] == 2
    if not seen.any():
        return 0.0
    area = BODY_AREA * WIDTH_TO_HEIGHT * _height(truth) ** 2
    alike = np.exp(-(_distances(skeleton, truth, aspect) ** 2) / (2 * area * SPREADS**2)) * (skeleton[:, 2] > 0)
    return float(alike[seen].mean())


def judge(skeletons: np.ndarray, picked: int | None, people: np.ndarray, aspect: float) -> dict:
    """How well one image was understood.

    `skeletons` [S, 17, 3] are the decoded ones (all 0 = none), `picked` is the row of the target, `people` [P, 17, 3]
    are the true ones, the target first.
    Gives `keypoints` [17] of the picked person (1 right, 0 wrong, NaN not to be seen), `found` (some skeleton has a
    similarity of 0.5 with the target), `right_person` (the picked one is more like the target than like anybody else;
    NaN where no person was picked, or no rival is in the image).
    """
    target = people[0]
    person = np.zeros_like(target) if picked is None else skeletons[picked]
    rivals = [other for other in people[1:] if (other[:, 2] == 2).sum() >= RIVAL]
    likeness = [similarity(person, other, aspect) for other in (target, *rivals)]
    return {
        "keypoints": correct_keypoints(person, target, aspect),
        "found": any(similarity(skeleton, target, aspect) >= 0.5 for skeleton in skeletons),
        "right_person": float(np.argmax(likeness) == 0) if rivals and picked is not None else np.nan,
    }


def summary(judged: list[dict]) -> dict:
    """Means over images: PCK@0.1 of all keypoints, of each group, share of targets found, of right people picked."""
    keypoints = np.stack([image["keypoints"] for image in judged])
    rivals = [image["right_person"] for image in judged if not np.isnan(image["right_person"])]
    groups = {name: float(np.nanmean(keypoints[:, members])) for name, members in GROUPS.items()}
    return {
        "images": len(judged),
        "pck": float(np.nanmean(keypoints)),
        "pck_of": groups,
        "found": float(np.mean([image["found"] for image in judged])),
        "right_person": float(np.mean(rivals)) if rivals else None,
        "with_rivals": len(rivals),
    }


def overlap_counts(labels: np.ndarray, truth: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells in both and cells in either of `labels` and `truth` [h, w], for labels 0..`parts`: two arrays [K+1]."""
    numbers = np.arange(parts + 1)[:, None, None]
    ours, theirs = labels == numbers, truth == numbers
    return (ours & theirs).sum((1, 2)), (ours | theirs).sum((1, 2))


def _height(truth: np.ndarray) -> float:
    """Height of a person from the true keypoints, which are known where they are hidden or outside, too."""
    return float(np.ptp(truth[:, 1]))


def _distances(skeleton: np.ndarray, truth: np.ndarray, aspect: float) -> np.ndarray:
    return np.hypot((skeleton[:, 0] - truth[:, 0]) * aspect, skeleton[:, 1] - truth[:, 1])
