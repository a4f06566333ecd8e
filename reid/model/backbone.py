"""Feature extractors of timm behind a contract of two attributes: `channels` and `stride`."""

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Backbone(nn.Module):
    """Images to an appearance map G: [N, 3, H, W] -> [N, channels, H / stride, W / stride].

    A network with several branches (HRNet) gives all of them, brought to the finest by bilinear interpolation and
    concatenated; others give the last of `levels`.
    """

    def __init__(self, network: nn.Module, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.levels = levels
        channels, strides = network.feature_info.channels(), network.feature_info.reduction()
        self.channels = sum(channels[level] for level in levels)
        self.stride = strides[levels[0]]

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C h w"]:
        maps = self.network(images)
        chosen = [maps[level] for level in self.levels]
        size = chosen[0].shape[-2:]
        finest, *coarser = chosen
        raised = [functional.interpolate(level, size, mode="bilinear", align_corners=True) for level in coarser]
        return torch.cat([finest, *raised], dim=1) if raised else finest


def build_backbone(name: str, stage: int | None, last_stride: int | None, pretrained: bool) -> Backbone:
    """A timm network as feature extractor.

    `stage` is the level to stop at (timm's out_indices; None = the last); `last_stride` 1 takes the stride out of the
    last level used, as Bag of Tricks does with a ResNet's last stage. `pretrained` loads timm's ImageNet weights.
    """
    if name.startswith("hrnet"):
        network = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=(1, 2, 3, 4))
        return Backbone(network, levels=(0, 1, 2, 3))
    levels = (-1 if stage is None else stage,)
    network = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=levels)
    backbone = Backbone(network, levels=(0,))
    if last_stride == 1:
        _take_stride_out(network[network.feature_info.module_name()[0]])
        backbone.stride //= 2
    return backbone


def _take_stride_out(level: nn.Module) -> None:
    """Set the strides of a level's first block to 1, without the dilation that timm's output_stride would bring."""
    for module in level[0].modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)
