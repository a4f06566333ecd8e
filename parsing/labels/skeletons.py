"""Measures of decoded people. A skeleton [17, 3] holds x / width, y / height and confidence c (0 = not found)."""

import numpy as np

HEAD, SHOULDERS = slice(0, 5), slice(5, 7)
SHOULDER_TO_HEAD = 0.08  # of the image's height
LEAST = 0.25  # share of the largest evidence that a person needs

# How far keypoints of an upright person lie apart, as a share of the height.
UPRIGHT_SHARES = {(5, 11): 0.29, (6, 12): 0.29, (11, 15): 0.47, (12, 16): 0.47, (0, 11): 0.40, (0, 12): 0.40}


def evidence(skeletons: np.ndarray) -> np.ndarray:
    """Σ c over the keypoints of each of `skeletons` [S, 17, 3]: [S], 0 where there is no person."""
    return skeletons[..., 2].sum(-1)


def counted(skeletons: np.ndarray) -> np.ndarray:
    """Whether each row [S] is a person; one with less than LEAST of the largest evidence is a fragment of one."""
    found = evidence(skeletons)
    return (found > 0) & (found >= LEAST * found.max(initial=0))


def head_position(skeleton: np.ndarray) -> np.ndarray | None:
    """x, y of the head: the mean of the face's keypoints, or a place above the shoulders; None without either."""
    found = skeleton[:, 2] > 0
    for members, above in ((HEAD, 0.0), (SHOULDERS, SHOULDER_TO_HEAD)):
        if found[members].any():
            return skeleton[members][found[members], :2].mean(0) - (0, above)
    return None


def body_box(skeleton: np.ndarray) -> np.ndarray:
    """[2, 2]: least and largest x, y of the keypoints that were found."""
    points = skeleton[skeleton[:, 2] > 0, :2]
    return np.stack([points.min(0), points.max(0)])


def person_height(skeleton: np.ndarray) -> float:
    """Height of one person [17, 3] as a share of the image's height, from the longest vertical limbs that were found.

    The extent of the found keypoints alone would shrink with every hidden leg; so each pair of keypoints whose
    distance is a known share of an upright person's height gives an estimate, and the largest is taken.
    """
    y, found = skeleton[:, 1], skeleton[:, 2] > 0
    if not found.any():
        return 0.0
    estimates = [float(np.ptp(y[found]))]
    for (first, second), share in UPRIGHT_SHARES.items():
        if found[first] and found[second]:
            estimates.append(abs(float(y[first] - y[second])) / share)
    return max(estimates)
