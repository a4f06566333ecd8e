"""torchreid's `FeatureExtractor`, the call that trackers and search tools imitate, for a model pack."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from artefacts.errors import UserError
from artefacts.imagenet import IMAGENET_MEAN, IMAGENET_STD
from reid.search.extractor import load

Given = str | Path | np.ndarray | Sequence[str | Path | np.ndarray] | Tensor


class FeatureExtractor:
    """Called with images, it gives one vector of unit length an image: `Features.flat` of the pack's model.

    Arguments, their order and defaults are torchreid's (`torchreid.utils.FeatureExtractor`). `model_path` is a pack, or
    else `model_name` is, as for `reid.load`. A pack knows its network, its size (height, width) and its normalisation:
    what is given of them must be torchreid's default or the pack's own. `device` takes whatever there is where it is
    torchreid's "cuda"; `verbose` prints the model and the number of its parameters.
    """

    def __init__(
        self,
        model_name: str = "",
        model_path: str | Path = "",
        image_size: int | Sequence[int] = (256, 128),
        pixel_mean: Sequence[float] = IMAGENET_MEAN,
        pixel_std: Sequence[float] = IMAGENET_STD,
        pixel_norm: bool = True,
        device: str | torch.device = "cuda",
        verbose: bool = True,
    ) -> None:
        self.model = load(model_path or model_name, None if device == "cuda" else device)
        told = self.model.pack.preprocessing
        size = (image_size, image_size) if isinstance(image_size, int) else image_size
        _require("image_size", size, (256, 128), told.size)
        _require("pixel_mean", pixel_mean, IMAGENET_MEAN, told.mean)
        _require("pixel_std", pixel_std, IMAGENET_STD, told.std)
        _require("pixel_norm", [pixel_norm], [True], [True])
        if verbose:
            parameters = sum(one.numel() for one in self.model.network.parameters())
            print(f"Model: {self.model.pack.name}\n- params: {parameters:,}")

    def __call__(self, input: Given) -> Float[Tensor, "N D"]:
        """Vectors, on the model's device, of paths and arrays [H, W, 3] (RGB, uint8), or of a tensor [N, 3, H, W].

        As with torchreid, a float tensor is normalised already, by ImageNet's mean and deviation; one of uint8 is not.
        Raises UserError for an image that cannot be read.
        """
        if isinstance(input, Tensor) and input.is_floating_point():
            input = self._unnormalised(input)
        seen = self.model.embed(input)
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


def _require(name: str, given: Sequence, default: Sequence, own: Sequence) -> None:
    """Raises UserError for an argument that is neither torchreid's default nor what the pack has."""
    if list(given) not in (list(default), list(own)):
        said = [list(one) if len(one) > 1 else one[0] for one in (own, given)]
        raise UserError(f"{name}: the pack's is {said[0]}, not {said[1]}; leave it out")
