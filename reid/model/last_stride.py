"""The stride of a network's last level, which Bag of Tricks [14] takes out of a ResNet: finer maps, same weights."""

from torch import nn

Change = tuple[nn.Module, dict[str, object]]  # a layer and what it was like


def take_stride_out(level: nn.Module) -> list[Change]:
    """Set the strides of a level's first block to 1, in place; without the dilation of timm's output_stride.

    Returns what was changed, for `restore`: nothing, where the block has no stride that can be taken out. A convolution
    of an even size, such as ConvNeXt's of 2x2, has cells that do not overlap, and none in between.
    """
    first = next(level.children(), level)
    leaves = [one for one in first.modules() if not any(one.children())]
    strided = [one for one in leaves if getattr(one, "stride", None) in (2, (2, 2))]
    if not strided or any(isinstance(one, nn.Conv2d) and one.kernel_size[0] % 2 == 0 for one in strided):
        return []
    return [_without_stride(layer) for layer in strided]


def _without_stride(layer: nn.Module) -> Change:
    before = {"stride": layer.stride}
    if getattr(layer, "kernel_size", None) in (2, (2, 2)):  # a ResNet-D's pooling, of which nothing is left
        before["kernel_size"], layer.kernel_size = layer.kernel_size, 1
    layer.stride = (1, 1) if isinstance(layer.stride, tuple) else 1
    return layer, before


def restore(changes: list[Change]) -> None:
    """Undo what `take_stride_out` changed."""
    for layer, before in changes:
        for name, value in before.items():
            setattr(layer, name, value)
