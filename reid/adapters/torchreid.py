"""torchreid's `FeatureExtractor`, the call that trackers and search tools imitate, for a model pack."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from artefacts.errors import UserError
from reid.search.extractor import load

Given = str | Path | np.ndarray | Sequence[str | Path | np.ndarray] | Tensor


class FeatureExtractor:
    """Called with images, it gives one vector of unit length an image: `Features.flat` of the pack's model.

    `model_path` is a pack, or else `model_name` is, as for `reid.load`; a pack knows its network and its size, so that
    `image_size` (height, width) can only repeat it.
    """

    def __init__(
        self,
        model_name: str = "",
        model_path: str | Path = "",
        image_size: tuple[int, int] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.model = load(model_path or model_name, device)
        if image_size not in (None, tuple(self.model.size)):
            height, width = self.model.size
            raise UserError(f"image_size: the pack's is ({height}, {width}), not {image_size}; leave it out")

    def __call__(self, images: Given) -> Float[Tensor, "N D"]:
        """Vectors, on the model's device, of paths and arrays [H, W, 3] (RGB, uint8), or of a tensor [N, 3, H, W].

        As with torchreid, a float tensor is normalised already, by ImageNet's mean and deviation; one of uint8 is not.
        Raises UserError for an image that cannot be read.
        """
        if isinstance(images, Tensor) and images.is_floating_point():
            images = self._unnormalised(images)
        seen = self.model.embed(images)
        for name, why in seen.failed.items():
            raise UserError(f"{name}: cannot be read ({why}); leave it out")
        return torch.from_numpy(seen.flat()).to(self.model.device)

    def _unnormalised(self, images: Tensor) -> Tensor:
        """Float images within 0..1, where rounding took them out of it. Raises TypeError for those that never were."""
        told = self.model.pack.preprocessing
        mean, std = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in (told.mean, told.std))
        shades = images * std + mean
        low, high = shades.aminmax() if shades.numel() else (torch.tensor(0), torch.tensor(1))
        if low < -0.01 or high > 1.01:
            raise TypeError(f"a float tensor is normalised by mean and deviation; its values are {low:.3g}..{high:.3g}")
        return shades.clamp(0, 1)
