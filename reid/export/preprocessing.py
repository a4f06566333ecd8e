"""Resizing as part of a network's graph, in operations that every runtime has."""

import torch
from jaxtyping import Float
from torch import Tensor

HALF = 0.5 + 2**-10  # so that halves are rounded up whatever the last bits of a runtime's sums


def resized_to(images: Float[Tensor, "N C H W"], size: tuple[int, int], rounded: bool) -> Float[Tensor, "N C h w"]:
    """Images of any H and W at `size` (height, width): bilinear, antialiased where they shrink.

    Two products with matrices that the graph makes of H and W: not all runtimes' own resizing is antialiased. With
    `rounded`, pixels 0..255 are whole numbers after each, halves rounded up, as in `reid.data.images.resized`.
    """
    rows, columns = (_shares(images.shape[axis], size[axis - 2], images.device) for axis in (2, 3))
    lines = images @ columns.transpose(0, 1)
    if rounded:
        return (rows @ (lines + HALF).floor() + HALF).floor()
    return rows @ lines


def _shares(pixels: int, wanted: int, device: torch.device) -> Float[Tensor, "wanted pixels"]:
    """Share of each pixel of a line in each wanted one: a triangle, two pixels wide of the coarser of both lines."""
    pixel, target = (torch.arange(count, device=device) + 0.5 for count in (pixels, wanted))
    scale = (pixel[-1] + 0.5) / wanted  # a tensor, since H and W are not known when the graph is made
    shares = (1 - (pixel - target[:, None] * scale).abs() / scale.clamp_min(1)).clamp_min(0)
    return shares / shares.sum(dim=1, keepdim=True)
