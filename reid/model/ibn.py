"""IBN-a: instance normalisation next to batch normalisation in the early levels of a ResNet (Section 4.2, [16])."""

from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn

from artefacts.errors import UserError

LEVELS = ("layer1", "layer2", "layer3")  # IBN-a leaves the last level as it is


class InstanceBatchNorm(nn.Module):
    """Instance normalisation of the first half of the channels, batch normalisation of the others.

    The names `IN` and `BN` are those of published ImageNet weights of such networks.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, features: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        first, second = features.split([self.half, features.shape[1] - self.half], dim=1)
        return torch.cat([self.IN(first), self.BN(second)], dim=1)


def put_instance_norm(network: nn.Module) -> None:
    """Replace the first normalisation of every block in levels 1 to 3 of timm's ResNet `network`, in place.

    Raises UserError if it has no such blocks.
    """
    levels = [residual_blocks(network, level) for level in LEVELS]
    if not all(levels):
        raise UserError("models.*.backbone.ibn: only a ResNet has it; set it to null, or name a ResNet")
    for block in chain.from_iterable(levels):
        block.bn1 = InstanceBatchNorm(block.bn1.num_features)


def residual_blocks(network: nn.Module, level: str) -> list[nn.Module]:
    """The blocks of a level of timm's ResNet, which begin with a batch normalisation `bn1`; none of others."""
    blocks = list(getattr(network, level, nn.Identity()).children())
    return blocks if all(hasattr(block, "bn1") for block in blocks) else []
