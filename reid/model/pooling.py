"""From an appearance map and attention to embeddings (Section 3.2.1): pooling, and what may follow it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMALLEST_MASS = 1e-6  # of a map, so that a map of zeros gives zeros


def weighted_average(features: Float[Tensor, "N C h w"], maps: Float[Tensor, "N M h w"]) -> Float[Tensor, "N M C"]:
    """GWAP: for each map, the mean of the features weighted by it (Eq. 3).

    One batched matrix product; no tensor of size N x M x C x h x w is built.
    """
    flat = maps.flatten(2)
    pooled = torch.bmm(flat, features.flatten(2).transpose(1, 2))
    return pooled / flat.sum(dim=2, keepdim=True).clamp_min(SMALLEST_MASS)


def masked_mean(features: Float[Tensor, "N C h w"], maps: Float[Tensor, "N M h w"]) -> Float[Tensor, "N M C"]:
    """For each map, the mean over all cells of map x feature.

    Departs from the paper: foreground pooling of the authors' released code, which does not divide by the map's mass
    as Eq. 3 does, so that the embedding shrinks with the person's share of the image.
    """
    flat = maps.flatten(2)
    return torch.bmm(flat, features.flatten(2).transpose(1, 2)) / flat.shape[2]


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
