"""A PifPaf network made ready to label: the same function, computed in fewer and faster passes.

In float32 nothing but rounding changes. In bfloat16 all convolutions run on a tenth of the digits: confidences stay
within BFLOAT16_BOUND of float32's, while what follows the heads (sigmoid, coordinates) stays in float32.
"""

import torch
from torch import Tensor, nn

from artefacts.batch_norm import fold_batch_norm
from artefacts.processor import warn_of_slow_bfloat16
from parsing.config import Precision
from parsing.pifpaf import network as pifpaf

BFLOAT16_BOUND = 0.03  # largest difference of a confidence from float32's; tests hold the shipped network to it


def make_ready(network: nn.Module, precision: Precision, device: torch.device) -> nn.Module:
    """The network in eval mode on `device`, to be called with images in its parameters' type."""
    network = interleave_at_once(fold_batch_norm(network))
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # it would round float32's factors to 10 bits
        torch.backends.cudnn.deterministic = True
    if precision == "bfloat16":
        in_bfloat16(network, device)
    return one_dnn(network).to(device, memory_format=torch.channels_last)


class ShuffleBlock(nn.Module):
    """A block of ShuffleNetV2 that interleaves its branches' channels in one pass and keeps channels last.

    torchvision's joins, then transposes, and leaves channels first, so that the next convolution transposes back.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.branch1, self.branch2 = block.branch1, block.branch2

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 2 D, H / stride, W / stride]; channel 2 d of branch (or half) 1, 2 d + 1 of branch 2."""
        first, second = (self.branch1(x), x) if self.branch1 else x.chunk(2, 1)
        branches = (first.permute(0, 2, 3, 1), self.branch2(second).permute(0, 2, 3, 1))
        return torch.stack(branches, -1).flatten(-2).permute(0, 3, 1, 2)


def interleave_at_once(network: nn.Module) -> nn.Module:
    """The network with openpifpaf's shuffle blocks replaced by `ShuffleBlock`, where it has any."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, pifpaf.InvertedResidualK):
                setattr(module, name, ShuffleBlock(child))
    return network


def one_dnn(network: nn.Module) -> nn.Module:
    """The network with its 1x1 convolutions done by oneDNN even on one thread, where torch takes a slower way.

    On one thread and with fewer than 16 images torch hands them to a matrix product image by image, unless they are
    dilated; a dilated 1x1 convolution is the same one.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.stride == (1, 1):
            module.dilation = (2, 2)
    return network


def in_bfloat16(network: nn.Module, device: torch.device) -> None:
    """Convolutions in bfloat16; the heads' are read in float32, since coordinates up to 63 need more digits."""
    warn_of_slow_bfloat16(device, "labels.precision")
    network.to(torch.bfloat16)
    for head in network.head_nets:
        head.conv.register_forward_hook(lambda convolution, inputs, output: output.float())
