"""The body part attention module (Section 3.1) and the visibility of parts (Section 3.2.2).

Attention maps have L = K + 1 channels, the background first.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from reid.config import Visibility


def part_classifier(channels: int, parts: int) -> nn.Conv2d:
    """The pixel-wise part classifier P of Eq. 1: a 1x1 convolution to K + 1 scores a cell, without bias."""
    classifier = nn.Conv2d(channels, parts + 1, kernel_size=1, bias=False)
    nn.init.normal_(classifier.weight, std=0.001)
    return classifier


def normalised_part_classifier(channels: int, parts: int) -> nn.Sequential:
    """Batch normalisation of the appearance map, then a 1x1 convolution with bias to K + 1 scores a cell.

    Departs from the paper: the part classifier of the authors' released code, in place of Eq. 1's bare product.
    """
    convolution = nn.Conv2d(channels, parts + 1, kernel_size=1)
    nn.init.normal_(convolution.weight, std=0.001)
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(nn.BatchNorm2d(channels), convolution)


def attention_maps(scores: Float[Tensor, "N L h w"]) -> Float[Tensor, "N L h w"]:
    """Probability of background and of each part at each cell: M = softmax(G P^T) (Eq. 1)."""
    return scores.softmax(dim=1)


def confidence_maps(confidences: Float[Tensor, "N K y x"], cells: tuple[int, int]) -> Float[Tensor, "N L h w"]:
    """Fixed attention: PifPaf's confidence of each part on the `cells` of a feature map, background where it has none.

    Table 2's "w/o learnable attention" (Section 4.4.1): nothing is learnt, so it needs the confidences of query and
    gallery as well. A cell takes what the maps show at its centre. Joints belong to two parts, so that the maps of a
    cell may add up to more than 1.
    """
    parts = functional.interpolate(confidences, cells, mode="bilinear", align_corners=False)
    return torch.cat([1 - parts.amax(dim=1, keepdim=True), parts], dim=1)


def stripe_maps(stripes: int, cells: tuple[int, int]) -> Float[Tensor, "L h w"]:
    """PCB's fixed attention [23]: K horizontal stripes of equal height, and no background.

    A row of cells that lies in two stripes belongs to each by the share that lies in it, so that Eq. 3 averages over
    bands of equal height also where K does not divide the rows.
    """
    height, width = cells
    rows, parts = torch.arange(height), torch.arange(stripes)[:, None]  # rows are K long, stripes h
    overlap = torch.minimum((rows + 1) * stripes, (parts + 1) * height) - torch.maximum(rows * stripes, parts * height)
    maps = torch.cat([torch.zeros(1, height), overlap.clamp_min(0) / stripes])
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
