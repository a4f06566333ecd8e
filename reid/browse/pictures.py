"""Pictures inside the page, as data addresses: images with the attention on them, and the map of each embedding."""

import base64
import io

import numpy as np
from PIL import Image

from artefacts.images import UnreadableImage
from reid.browse.images import ImageSet
from reid.report.figures.ranking_sheet import overlaid
from reid.search.features import Features

LARGE, SMALL = (130, 236), (60, 76)  # width and height in pixels at most, of an image on a card and of a thumbnail
MAP = (20, 36)


def thumbnail(images: ImageSet, number: int) -> str:
    """A small picture of an image."""
    return _data_address(_scaled(image_of(images, number), SMALL))


def image_of(images: ImageSet, number: int) -> Image.Image:
    """An image, upright; grey where it cannot be read any more."""
    try:
        return images.picture(number)
    except UnreadableImage:
        return Image.new("RGB", SMALL, (190, 190, 190))


def picture(image: Image.Image, attention: np.ndarray | None) -> str:
    """An image, pale where `attention` [h, w] is low, if that is given."""
    scaled = _scaled(image, LARGE)
    return _data_address(scaled if attention is None else overlaid(scaled, attention))


def attention_maps(features: Features, number: int) -> dict[str, np.ndarray]:
    """Attention [h, w] (0..1) of the foreground and of each part of an image."""
    maps = features.attention[number].astype(np.float32) / 255
    return {"foreground": maps[1:].max(axis=0)} | dict(zip(features.pack.parts, maps[1:], strict=True))


def map_tile(attention: np.ndarray | None, colour: tuple[int, int, int]) -> str:
    """A map in its embedding's colour on white; nothing but colour where an embedding sees the whole image."""
    weight = Image.new("L", MAP, 255) if attention is None else Image.fromarray((attention * 255).astype(np.uint8))
    tile = Image.new("RGB", MAP, (255, 255, 255))
    tile.paste(colour, (0, 0), weight.resize(MAP, Image.Resampling.BICUBIC))
    return _data_address(tile, "PNG")


def _scaled(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    """The image as large as it fits into the box, in its own aspect."""
    scale = min(box[0] / image.width, box[1] / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _data_address(image: Image.Image, kind: str = "JPEG") -> str:
    """The image as a `data:` address."""
    content = io.BytesIO()
    image.save(content, kind, quality=88)
    return f"data:{Image.MIME[kind]};base64,{base64.b64encode(content.getvalue()).decode()}"
