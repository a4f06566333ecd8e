"""Reading images of any kind the same way everywhere, so that labels lie on the pixels that training sees."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

BEHIND_TRANSPARENCY = (124, 116, 104)  # the mean colour of ImageNet
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # whatever its name; others may start programs (EPS) or have no use
MAX_PIXELS = 25_000_000  # an image that claims more is no person crop, and could fill the memory
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # a 16-bit PNG opens as I;16, or as I in older Pillow


class UnreadableImage(Exception):
    """An image that cannot be decoded; the message says why."""


def read_rgb(source: Path | bytes) -> Image.Image:
    """The whole image as 8-bit RGB, upright by its EXIF orientation; transparency shows a neutral grey.

    Grey, palette, CMYK, 16-bit and transparent images are converted. Raises UnreadableImage if the file is missing,
    truncated, no image, or too large to be decoded safely.
    """
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} allowed")
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise UnreadableImage("no such file") from None
    except UnidentifiedImageError:
        raise UnreadableImage("no image that Pillow knows") from None
    except Exception as error:  # decoders raise nearly everything on broken files
        raise UnreadableImage(" ".join(f"{type(error).__name__}: {error}".split())) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return Image.fromarray(np.nan_to_num(np.asarray(image)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, BEHIND_TRANSPARENCY), image).convert("RGB")
    return image.convert("RGB")
