"""The body part attention module (Section 3.1) and the visibility of parts (Section 3.2.2).

Attention maps have L = K + 1 channels, the background first.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


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


def foreground_map(attention: Float[Tensor, "N L h w"]) -> Float[Tensor, "N h w"]:
    """The strongest part's probability at each cell, M_f = max(M_1, ..., M_K) (Section 3.2.1)."""
    return attention[:, 1:].amax(dim=1)


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
