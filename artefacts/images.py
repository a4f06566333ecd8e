"""Reading images of any kind the same way everywhere, so that labels lie on the pixels that training sees."""

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from artefacts.imagenet import IMAGENET_COLOUR

# Read whatever a file is called. Pillow knows more: some start programs (EPS), are films (FLI, MPEG), or begin with no
# mark by which they could be told from other files (TGA).
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "AVIF", "JPEG2000", "PPM")
USUAL = (".jpg", ".jpeg", ".png")
MAX_PIXELS = 25_000_000  # an image that claims more is no person crop, and could fill the memory
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # a 16-bit PNG opens as I;16, or as I in older Pillow

Converted = TypeVar("Converted")


class UnreadableImage(Exception):
    """An image that cannot be decoded; the message says why."""


@functools.cache
def image_endings() -> tuple[str, ...]:
    """Endings in lower case, with their point, of the names of images that this Pillow reads, the usual ones first."""
    Image.init()
    readable = {*FORMATS, "MPO"}  # MPO: a JPEG with more images behind the first, as phones write it
    found = {ending for ending, kind in Image.registered_extensions().items() if kind in readable}
    return tuple(sorted(found, key=lambda ending: (ending not in USUAL, ending)))


def read_rgb(source: Path | bytes) -> Image.Image:
    """The whole image as 8-bit RGB, upright by its EXIF orientation; transparency shows a neutral grey.

    Grey, palette, CMYK, 16-bit and transparent images are converted. Raises UnreadableImage if the file is missing,
    truncated, no image, or too large to be decoded safely.
    """
    return _decoded(source, FORMATS, to_rgb)


def read_numbers(source: Path | bytes) -> np.ndarray:
    """Numbers [H, W] uint8 of the pixels of a PNG: indices into its palette, or grey levels.

    Raises UnreadableImage if the file is missing, truncated, no PNG, too large, or has no single number a pixel.
    """
    return _decoded(source, ("PNG",), _to_numbers)


def _decoded(source: Path | bytes, formats: tuple[str, ...], convert: Callable[[Image.Image], Converted]) -> Converted:
    """What `convert` makes of the whole image. Raises UnreadableImage whatever is wrong with it."""
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} allowed")
            image.load()
            return convert(image)
    except FileNotFoundError:
        raise UnreadableImage("no such file") from None
    except UnidentifiedImageError:
        raise UnreadableImage("no PNG" if formats == ("PNG",) else "no image that Pillow knows") from None
    except Exception as error:  # decoders raise nearly everything on broken files
        raise UnreadableImage(" ".join(f"{type(error).__name__}: {error}".split())) from None


def _to_numbers(image: Image.Image) -> np.ndarray:
    if image.mode not in ("P", "L"):
        raise ValueError(f"its pixels have colours (mode {image.mode}), not one number of 0 to 255 each")
    return np.asarray(image)


def to_rgb(image: Image.Image) -> Image.Image:
    """An open image as 8-bit RGB, upright by its EXIF orientation; transparency shows a neutral grey."""
    image = ImageOps.exif_transpose(image)
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return Image.fromarray(np.nan_to_num(np.asarray(image)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, IMAGENET_COLOUR), image).convert("RGB")
    return image.convert("RGB")
