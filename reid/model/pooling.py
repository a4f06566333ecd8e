"""From an appearance map and attention to embeddings (Section 3.2.1): pooling, and what may follow it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reid.model.appearance import AppearanceMap

SMALLEST_MASS = 1e-6  # of a map, so that a map of zeros gives zeros


def weighted_average(features: AppearanceMap, maps: Float[Tensor, "N M h w"]) -> Float[Tensor, "N M C"]:
    """GWAP: for each map, the mean of the features weighted by it (Eq. 3), as it reads.

    The oracle of `bpbreid.pool_embeddings`, which pools all maps at once; called by tests alone.
    """
    return features.weighted_sum(maps) / masses(maps)[:, :, None]


def masses(maps: Float[Tensor, "N M h w"]) -> Float[Tensor, "N M"]:
    """What the weighted sum is divided by (Eq. 3): each map's sum over all cells."""
    return maps.sum(dim=(2, 3)).clamp_min(SMALLEST_MASS)


class Reduction(nn.Module):
    """Linear, batch normalisation and ReLU on pooled embeddings: [N, C] -> [N, D], or [N, K, C] -> [N, K, D].

    All parts share the layer and its statistics, which are those of N x K rows. Departs from the paper: a habit of the
    authors' released code, whose embeddings have D = 512 channels in place of the backbone's C.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, reduced)
        self.norm = nn.BatchNorm1d(reduced)

    def forward(self, pooled: Tensor) -> Tensor:
        rows = pooled.flatten(0, -2)
        return self.norm(self.linear(rows)).relu().unflatten(0, pooled.shape[:-1])


class PartReductions(nn.ModuleList):
    """A `Reduction` for each part, with statistics of its own: [N, K, C] -> [N, K, D].

    Departs from the paper, as that does.
    """

    def __init__(self, parts: int, channels: int, reduced: int) -> None:
        super().__init__(Reduction(channels, reduced) for _ in range(parts))

    def forward(self, pooled: Float[Tensor, "N K C"]) -> Float[Tensor, "N K D"]:
        return torch.stack([layer(pooled[:, part].contiguous()) for part, layer in enumerate(self)], dim=1)


def kept_parts(images: int, parts: int, dropout: float, device: torch.device) -> Bool[Tensor, "N K"]:
    """Which parts of an image are not left out in this step, each with probability 1 - `dropout`."""
    return torch.rand(images, parts, device=device) >= dropout
