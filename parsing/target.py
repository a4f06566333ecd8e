"""Which of the people found in a crop is the one that the crop was cut for."""

import numpy as np

CENTRE_SPREAD = 0.15  # of the image's width


def target_index(skeletons: np.ndarray) -> int | None:
    """Row of the person with the most evidence near the middle: argmax of e_s · exp(-(x_s - 1/2)² / 2σ²).

    `skeletons` [S, 17, 3] hold x / width, y / height and confidence c (0 = not found); e_s = Σ_j c_sj is a person's
    evidence and x_s = Σ_j c_sj x_sj / e_s where it lies. A crop is cut around its target, so people at the sides are
    passers-by even if they are nearer to the camera; the evidence keeps a stray fragment from winning. None if nobody
    was found. Of equals the first wins.
    """
    evidence = skeletons[..., 2].sum(1)
    if not evidence.any():
        return None
    middle = (skeletons[..., 0] * skeletons[..., 2]).sum(1) / np.maximum(evidence, 1e-6)
    return int(np.argmax(evidence * np.exp(-((middle - 0.5) ** 2) / (2 * CENTRE_SPREAD**2))))


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


UPRIGHT_SHARES = {(5, 11): 0.29, (6, 12): 0.29, (11, 15): 0.47, (12, 16): 0.47, (0, 11): 0.40, (0, 12): 0.40}
