"""Appearance maps built whole, as the code under test never does."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reid.model.appearance import AppearanceMap


def whole(features: AppearanceMap) -> Tensor:
    """The map [N, C, h, w] that the levels stand for."""
    raised = [interpolate(level, features.grid, mode="bilinear", align_corners=True) for level in features.levels[1:]]
    return torch.cat([features.levels[0], *raised], dim=1)
