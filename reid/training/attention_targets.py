"""Label maps on the cells of the attention maps: what the part classifier is to say there (Section 3.1.2)."""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from parsing.schemes import UNKNOWN

SHARPNESS, BACKGROUND_BELOW = 15, 0.5  # of the released code


def labels_on_cells(labels: UInt8[Tensor, "N H W"], cells: tuple[int, int]) -> Int64[Tensor, "N h w"]:
    """Each cell's label: that of the label map at the cell's centre."""
    return functional.interpolate(labels[:, None].float(), tuple(cells), mode="nearest-exact")[:, 0].long()


def blended_labels_on_cells(
    labels: UInt8[Tensor, "N H W"], confidences: Float[Tensor, "N K H W"], cells: tuple[int, int]
) -> Int64[Tensor, "N h w"]:
    """Each cell's label: the largest of the shares of background and parts there, between the cells of the label map.

    Departs from the paper: the form of the authors' released code. With c_k the confidences, 0..1, of the parts and
    c_0 = 1 where none of them reaches 0.5, else 0, the shares are softmax(15 c) at every cell of the label map; then
    they are brought to the attention's grid by bilinear interpolation, corner on corner, and the largest is taken.
    What is unknown in `labels` stays so.
    """
    background = (confidences.amax(dim=1, keepdim=True) < BACKGROUND_BELOW).float()
    shares = (SHARPNESS * torch.cat([background, confidences], dim=1)).softmax(dim=1)
    largest = functional.interpolate(shares, tuple(cells), mode="bilinear", align_corners=True).argmax(dim=1)
    unknown = labels_on_cells(labels, cells) == UNKNOWN
    return largest.masked_fill(unknown, UNKNOWN)
