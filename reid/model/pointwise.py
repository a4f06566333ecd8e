"""Strided 1x1 convolutions of few channels, which stems such as FastViT's and MobileOne's begin with.

On a CPU, the gradient of their weights is computed by a kernel that writes past its buffer where maps lie channels
last (github.com/uxlfoundation/oneDNN/issues/6035, open in 3.12): training ends in a segmentation fault, or goes on with
wrong gradients.
"""

from functools import partial

from torch import Tensor, nn

FEWEST_CHANNELS = 16  # of a convolution's input from which the kernel is right


def take_cells_first(network: nn.Module) -> None:
    """Give such convolutions of `network` only the cells that they read, in place: the same function, unstrided."""
    for layer in network.modules():
        pointwise = isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.padding == (0, 0)
        if pointwise and max(layer.stride) > 1 and layer.in_channels // layer.groups < FEWEST_CHANNELS:
            layer.register_forward_pre_hook(partial(_every, layer.stride))
            layer.stride = (1, 1)


def _every(stride: tuple[int, int], _: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return inputs[0][:, :, :: stride[0], :: stride[1]]
