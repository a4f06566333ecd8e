"""Feature extractors of timm behind a contract of two attributes: `channels` and `stride`."""

import timm
from jaxtyping import Float
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.model.appearance import AppearanceMap
from reid.model.ibn import put_instance_norm
from reid.model.non_local import put_non_local_blocks


class Backbone(nn.Module):
    """Images to an appearance map G: [N, 3, H, W] -> [N, channels, H / stride, W / stride].

    Where the network gives several levels, the coarser are brought to the size of the finest by bilinear
    interpolation and all are concatenated, as HRNet's branches are (4 + 8 + 16 + 32 -> stride 4, 1920 channels).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.channels = sum(network.feature_info.channels())
        self.stride = network.feature_info.reduction()[0]
        self.channels_come_last = getattr(network, "output_fmt", None) == "NHWC"  # Swin and its kind

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> AppearanceMap:
        levels = self.network(images)
        return AppearanceMap([level.permute(0, 3, 1, 2) for level in levels] if self.channels_come_last else levels)


def build_backbone(
    name: str,
    levels: tuple[int, ...],
    last_stride: int | None,
    pretrained: bool,
    ibn: str | None = None,
    non_local: bool = False,
    size: tuple[int, int] = (256, 128),
) -> Backbone:
    """A timm network as feature extractor.

    `levels` are timm's out_indices, finest first (-1 = the last); `last_stride` 1 takes the stride out of the last
    of them, as Bag of Tricks does with a ResNet's last stage. `pretrained` loads timm's ImageNet weights.
    `ibn` "a" puts instance normalisation into a ResNet, `non_local` non-local blocks. Raises UserError if it is none.
    `size` (height, width) is that of the images, which transformers want to know.
    """
    fixed = getattr(timm.get_pretrained_cfg(name, allow_unregistered=True), "fixed_input_size", False)
    sized = {"img_size": size} if fixed else {}
    network = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=levels, **sized)
    if ibn:
        put_instance_norm(network)
    if non_local:
        put_non_local_blocks(network)
    backbone = Backbone(network)
    if last_stride == 1:
        _take_stride_out(name, network.get_submodule(network.feature_info.module_name()[-1]))
        if len(levels) == 1:
            backbone.stride //= 2
    return backbone


def _take_stride_out(name: str, level: nn.Module) -> None:
    """Set the strides of a level's first block to 1, without the dilation that timm's output_stride would bring."""
    first = next(level.children(), level)
    layers = [one for one in first.modules() if isinstance(one, nn.Conv2d | nn.AvgPool2d)]
    strided = [layer for layer in layers if layer.stride in (2, (2, 2))]
    if not strided:
        raise UserError(f"models.*.backbone.last_stride: the last level of {name} has no stride to take out; set null")
    for layer in strided:
        layer.stride = (1, 1)
        if isinstance(layer, nn.AvgPool2d):  # before the shortcut's convolution, as ResNet-D has it
            layer.kernel_size = 1
