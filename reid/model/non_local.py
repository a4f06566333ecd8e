"""Non-local blocks (Wang et al., Non-local Neural Networks, CVPR 2018) in a ResNet.

Departs from the paper: its ResNet-50-IBN-a has none, but the configuration of the authors' released code names one with
them. They stand where Ye et al. (Deep Learning for Person Re-Identification, AGW) put them: behind the last two blocks
of the second level and the last three of the third.
"""

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.model.ibn import residual_blocks

NON_LOCAL = "non_local"
BLOCKS = {"layer2": 2, "layer3": 3}  # how many of a level's last blocks are followed by one


class NonLocal(nn.Module):
    """z_i = x_i + W (1/n) sum_j (theta x_i . phi x_j) g x_j over the n cells: every cell sees every other.

    The dot product form, with half the channels inside. W ends in a batch normalisation that starts at zero, so that a
    new block changes nothing.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        nn.init.zeros_(self.out[1].weight)

    def forward(self, features: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C h w"]:
        theta, phi, g = (layer(features).flatten(2) for layer in (self.theta, self.phi, self.g))
        kernel = torch.bmm(g, phi.transpose(1, 2)) / theta.shape[2]  # N D D: cheaper than n x n cells, and the same
        seen = torch.bmm(kernel, theta)
        return features + self.out(seen.unflatten(2, features.shape[2:]))


def put_non_local_blocks(network: nn.Module) -> None:
    """Put non-local blocks into levels 2 and 3 of timm's ResNet `network`, in place; its parameters keep their names.

    Raises UserError if it has no such blocks.
    """
    if not all(residual_blocks(network, level) for level in BLOCKS):
        raise UserError("models.*.backbone.non_local: only a ResNet has it; set it to false, or name a ResNet")
    for level, last in BLOCKS.items():
        blocks = OrderedDict()
        for number, (name, block) in enumerate(network[level].named_children()):
            blocks[name] = block
            if number >= len(network[level]) - last:
                blocks[f"{NON_LOCAL}_{name}"] = NonLocal(_width(block))
        network[level] = nn.Sequential(blocks)


def _width(block: nn.Module) -> int:
    """Channels that a block of timm's ResNet gives."""
    return (block.bn3 if hasattr(block, "bn3") else block.bn2).num_features
