"""Global weighted average pooling (Section 3.2.1)."""

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST_MASS = 1e-6  # of a map, so that a map of zeros gives zeros


def weighted_average(features: Float[Tensor, "N C h w"], maps: Float[Tensor, "N M h w"]) -> Float[Tensor, "N M C"]:
    """GWAP: for each map, the mean of the features weighted by it (Eq. 3).

    One batched matrix product; no tensor of size N x M x C x h x w is built.
    """
    flat = maps.flatten(2)
    pooled = torch.bmm(flat, features.flatten(2).transpose(1, 2))
    return pooled / flat.sum(dim=2, keepdim=True).clamp_min(SMALLEST_MASS)
