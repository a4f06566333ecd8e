"""A trained network made ready to embed: the same function in fewer and faster passes."""

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from artefacts.batch_norm import fold_batch_norm
from artefacts.processor import warn_of_slow_bfloat16
from reid.config.root import ModelInUse
from reid.model.bpbreid import BPBReID


def make_ready(network: BPBReID, settings: ModelInUse, device: torch.device) -> BPBReID:
    """The network in eval mode on `device`, channels last, with each batch normalisation in the convolution before it.

    Nothing but rounding changes. Where `settings` ask for bfloat16, `embed` runs the backbone in it.
    """
    if settings.embedding_precision == "bfloat16":
        warn_of_slow_bfloat16(device, "models.*.embedding_precision")
    network.backbone.network = folded(network.backbone.network.eval())
    return network.eval().to(device, memory_format=torch.channels_last)


def folded(network: nn.Module) -> nn.Module:
    """A network in eval mode with batch normalisation in its convolutions (those of Sequentials, if not traceable)."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network
    try:
        return fuse(network)
    except Exception:
        return fold_batch_norm(network)
