"""IBN-a: instance normalisation beside batch normalisation in the early levels of a ResNet (Section 4.2, [16])."""

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

    Raises UserError if it has no such levels.
    """
    named = dict(network.named_children())
    if not all(level in named for level in LEVELS):
        raise UserError("models.*.backbone.ibn: only a ResNet has it; set it to null, or name a ResNet")
    for level in LEVELS:
        for block in named[level]:
            block.bn1 = InstanceBatchNorm(block.bn1.num_features)
