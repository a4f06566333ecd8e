"""SOLIDER's semantic weight: a scale and a shift per channel behind every merging of patches of a Swin."""

import torch
from timm.models.swin_transformer import PatchMerging
from torch import nn

from artefacts.errors import UserError


def put_merging_bias(network: nn.Module) -> None:
    """Give the linear layers of an extractor's patch mergings a bias, of 0, in place: it holds the shift.

    Their weights hold the scale. Raises UserError if the network merges no patches.
    """
    layers = [module.reduction for module in network.modules() if isinstance(module, PatchMerging)]
    if not layers:
        raise UserError("models.*.backbone.semantic_weight: only a Swin has it; set it to null, or name a Swin")
    for layer in layers:
        layer.bias = nn.Parameter(torch.zeros(layer.out_features))
