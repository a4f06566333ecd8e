"""People cut out of a frame by their boxes."""

from collections.abc import Sequence

import numpy as np


def cropped(frame: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The pixels [h, w, C] of `frame` [H, W, C] in a box: left, top, right, bottom in pixels.

    All pixels that it touches; of a box that is empty or lies outside, the nearest one.
    """
    height, width = frame.shape[:2]
    left, top = (min(max(int(np.floor(low)), 0), size - 1) for low, size in zip(box[:2], (width, height), strict=True))
    right, bottom = (int(np.ceil(high)) for high in box[2:])
    return frame[top : max(bottom, top + 1), left : max(right, left + 1)]
