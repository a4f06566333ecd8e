"""A tiny PifPaf network whose maps tell images apart, for tests of what surrounds a trained one."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from parsing import pifpaf
from parsing.checkpoints import save_network
from tests.labelling import noise_image

ARCHITECTURE = pifpaf.Architecture((1, 1, 1), (8, 16, 16, 16, 16), 2)


def lively_network(seed: int = 0) -> nn.Module:
    """Random weights, with statistics of noise images and strong heads, so that confidences spread over 0..1."""
    torch.manual_seed(seed)
    network = pifpaf.build_network(ARCHITECTURE).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # average over all that it sees
    images = torch.from_numpy(np.stack([np.asarray(noise_image(number)) for number in range(16)])).permute(0, 3, 1, 2)
    with torch.no_grad():
        for _ in range(3):
            network(pifpaf.prepare(images))
        for head in network.head_nets:
            head.conv.weight *= 8
    return network.eval()


def write_checkpoint(path: Path, seed: int = 0) -> Path:
    """A checkpoint of ours of that network."""
    save_network(path, lively_network(seed), ARCHITECTURE, {"made": "for tests"})
    return path
