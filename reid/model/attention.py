"""The body part attention module (Section 3.1) and the visibility of parts (Section 3.2.2).

Attention maps have L = K + 1 channels, the background first.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from reid.config.root import Visibility
from reid.model.appearance import AppearanceMap


class PartClassifier(nn.Linear):
    """The pixel-wise part classifier P of Eq. 1: K + 1 scores at each cell, G P^T, without bias."""

    def __init__(self, channels: int, parts: int, bias: bool = False) -> None:
        super().__init__(channels, parts + 1, bias)
        nn.init.normal_(self.weight, std=0.001)

    def forward(self, features: AppearanceMap) -> Float[Tensor, "N L h w"]:
        return features.product(self.weight)


class NormalisedPartClassifier(PartClassifier):
    """Batch normalisation of the appearance map, then a product with bias: K + 1 scores at each cell.

    Departs from the paper: the part classifier of the authors' released code, in place of Eq. 1's bare product. The
    normalisation is folded into the product, W (a G + b) + c = (W a) G + (W b + c), so that no normalised map is built.
    """

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__(channels, parts, bias=True)
        nn.init.zeros_(self.bias)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: AppearanceMap) -> Float[Tensor, "N L h w"]:
        mean, variance = self._statistics(features)
        scale = self.norm.weight * (variance + self.norm.eps).rsqrt()
        return features.product(self.weight * scale, self.bias + self.weight @ (self.norm.bias - mean * scale))

    def _statistics(self, features: AppearanceMap) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
        """Mean and variance of every channel: in training the batch's, which the running ones then follow."""
        norm = self.norm
        if not self.training:
            return norm.running_mean, norm.running_var
        mean, variance = features.moments()
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * features.cells / (features.cells - 1), norm.momentum)
            norm.num_batches_tracked += 1
        return mean, variance


def attention_maps(scores: Float[Tensor, "N L h w"]) -> Float[Tensor, "N L h w"]:
    """Probability of background and of each part at each cell: M = softmax(G P^T) (Eq. 1)."""
    return scores.softmax(dim=1)


def confidence_maps(confidences: Float[Tensor, "N K y x"], cells: tuple[int, int]) -> Float[Tensor, "N L h w"]:
    """Fixed attention: PifPaf's confidence of each part on the `cells` of a feature map, background where it has none.

    Table 2's "w/o learnable attention" (Section 4.4.1): nothing is learnt, so it needs the confidences of query and
    gallery as well. A cell takes what the maps show at its centre. Joints belong to two parts, so that the maps of a
    cell may add up to more than 1. Where PifPaf finds nothing, no part is visible, and the foreground is empty too.
    """
    parts = functional.interpolate(confidences, cells, mode="bilinear", align_corners=False)
    return torch.cat([1 - parts.amax(dim=1, keepdim=True), parts], dim=1)


def stripe_maps(stripes: int, cells: tuple[int, int], device: torch.device | None = None) -> Float[Tensor, "L h w"]:
    """PCB's fixed attention [23]: K horizontal stripes of equal height, and no background.

    A row of cells that lies in two stripes belongs to each by the share that lies in it, so that Eq. 3 averages over
    bands of equal height also where K does not divide the rows.
    """
    height, width = cells
    rows, parts = (torch.arange(count, device=device) for count in (height, stripes))  # rows are K long, stripes h
    parts = parts[:, None]
    overlap = torch.minimum((rows + 1) * stripes, (parts + 1) * height) - torch.maximum(rows * stripes, parts * height)
    maps = torch.cat([torch.zeros(1, height, device=device), overlap.clamp_min(0) / stripes])
    return maps[:, :, None].expand(-1, -1, width)


def foreground_map(attention: Float[Tensor, "N L h w"]) -> Float[Tensor, "N h w"]:
    """The strongest part's probability at each cell, M_f = max(M_1, ..., M_K) (Section 3.2.1)."""
    return attention[:, 1:].amax(dim=1)


def visible_parts(attention: Float[Tensor, "N L h w"], settings: Visibility) -> Bool[Tensor, "N K"]:
    """Visibility v_1..K of the parts by the configured rule (Eq. 4)."""
    if settings.rule == "argmax":
        return visible_by_argmax(attention)
    return visible_above(attention, settings.threshold)


def visible_above(attention: Float[Tensor, "N L h w"], threshold: float) -> Bool[Tensor, "N K"]:
    """Which parts reach `threshold` (lambda_v) in at least one cell (Eq. 4)."""
    return attention[:, 1:].amax(dim=(2, 3)) > threshold


def visible_by_argmax(attention: Float[Tensor, "N L h w"]) -> Bool[Tensor, "N K"]:
    """Which parts are the likeliest class of at least one cell.

    Departs from the paper: the rule of the authors' released code, in place of the threshold of Eq. 4.
    """
    winner = attention.argmax(dim=1).flatten(1)
    parts = torch.arange(1, attention.shape[1], device=attention.device)
    return (winner[:, :, None] == parts).any(dim=1)
