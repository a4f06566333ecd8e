"""Decoding of images: JPEG and PNG only, no larger than a person crop can be, always RGB."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.errors import UserError
from reid.data.manifest import ImageRow

SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_PIXELS = 25_000_000  # of one image; a file that claims more is a decompression bomb, or no person crop


def open_image(source: Path | io.BytesIO) -> Image.Image:
    """An image whose header alone has been read. Raises OSError if it is not a JPEG or PNG, or far too large."""
    try:
        image = Image.open(source, formats=("JPEG", "PNG"))
    except (Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise OSError(str(error)) from None
    if image.width * image.height > MAX_PIXELS:
        raise OSError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} that are decoded")
    return image


def load_image(root: Path, row: ImageRow, size: tuple[int, int]) -> np.ndarray:
    """The RGB image of a manifest's row, resized to `size` (height, width): [H, W, 3] uint8.

    Raises UserError if the image cannot be read, or is no longer as large as the manifest says.
    """
    path = root / row.key
    try:
        with open_image(path) as image:
            if image.size != (row.width, row.height):
                raise OSError(f"is {image.width} x {image.height} pixels, not {row.width} x {row.height}")
            image = image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: has changed since the manifest ({error}); run the manifest stage again") from None
    if image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image)
