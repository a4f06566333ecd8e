"""Images of a dataset: their pixels at a network's size."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from artefacts.manifest import ImageRow


def load_image(root: Path, row: ImageRow, size: tuple[int, int]) -> np.ndarray:
    """The RGB image of a manifest's row, resized to `size` (height, width): [H, W, 3] uint8.

    torch resizes two to three times faster than Pillow, equal within rounding.
    Raises UserError if the image cannot be read, or is no longer as large as the manifest says.
    """
    path = root / row.key
    try:
        image = read_rgb(path)
    except UnreadableImage as error:
        raise UserError(f"{path}: cannot be read any more ({error}); run the manifest stage again") from None
    if image.size != (row.width, row.height):
        now = f"{image.width} x {image.height}, not {row.width} x {row.height}"
        raise UserError(f"{path}: has changed since the manifest ({now} pixels); run the manifest stage again")
    return resized(np.array(image), size)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An RGB image [h, w, 3] uint8 at `size` (height, width): bilinear, antialiased when it shrinks."""
    if pixels.shape[:2] == tuple(size):
        return pixels
    batch = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)  # strides of channels last, or it is twice as slow
    return interpolate(batch, size, mode="bilinear", antialias=True).permute(0, 2, 3, 1)[0].numpy()
