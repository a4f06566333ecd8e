"""Batch normalisation folded into convolutions: the same function of a network in eval mode, in fewer passes."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """The network in eval mode, where a Sequential has a BatchNorm after a convolution, with it inside that one."""
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for place in range(len(module) - 1):
            first, second = module[place], module[place + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[place], module[place + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return network
