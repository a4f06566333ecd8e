"""A model pack as BoxMOT's appearance model (25.0): any of its trackers takes one as `reid_model`."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from reid.adapters.boxes import cropped
from reid.search.extractor import load


class AppearanceModel:
    """`get_features` for the boxes of a frame; `model` as for `reid.load`."""

    def __init__(self, model: str | Path, device: str | torch.device | None = None) -> None:
        self.model = load(model, device)
        self.device, self.input_shape = self.model.device, self.model.size

    def get_features(
        self, boxes: Float[np.ndarray, "N 4"], image: UInt8[np.ndarray, "H W 3"]
    ) -> Float[np.ndarray, "N D"]:
        """One vector of unit length a box (left, top, right, bottom; pixels) of a BGR frame: `Features.flat`."""
        return self.model.embed([cropped(image, box[:4]) for box in np.asarray(boxes)], bgr=True).flat()
