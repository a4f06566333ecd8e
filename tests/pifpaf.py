"""A tiny PifPaf network whose maps tell images apart, for tests of what surrounds a trained one."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from parsing.pifpaf import network as pifpaf
from parsing.pifpaf.checkpoints import save_network
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


def fields_of(people: np.ndarray, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """What a perfect network would give for `people` [P, 17, 3] (pixels, 2 = seen) in an image of `size`.

    openpifpaf's targets (confidence, vectors, smallest scales, scales; vectors relative to the cell) put into the
    order of its outputs (width, confidence, vectors, scales; vectors absolute).
    """
    encode = pifpaf.Encoder(pifpaf.build_network(ARCHITECTURE))
    height, width = (length + -(length - 1) % pifpaf.MULTIPLE for length in size)
    padded = people + np.array([*pifpaf.padding_offset(size), 0])
    cif, caf = (torch.as_tensor(target) for target in encode(torch.zeros(3, height, width), padded))
    rows, columns = torch.meshgrid(torch.arange(cif.shape[-2]), torch.arange(cif.shape[-1]), indexing="ij")
    place = torch.stack([columns, rows])
    width_cif, width_caf = torch.ones_like(cif[:, :1]), torch.ones_like(caf[:, :1])
    cif = torch.cat([width_cif, cif[:, :1], cif[:, 1:3] + place, cif[:, 4:]], 1)
    caf = torch.cat([width_caf, caf[:, :1], caf[:, 1:3] + place, caf[:, 3:5] + place, caf[:, 7:]], 1)
    return cif.nan_to_num(0).float(), caf.nan_to_num(0).float()
