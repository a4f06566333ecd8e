"""The contact sheet: each image next to itself under its labels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artefacts.images import UnreadableImage, read_rgb
from artefacts.palette import PART_COLOURS
from parsing.schemes import UNKNOWN
from parsing.store import LabelFile

COLOURS = np.array(PART_COLOURS, np.float32)
TILE = (96, 192)  # width, height of one picture
GAP, CAPTION, COLUMNS = 6, 26, 8
OPACITY = 0.6
INK, PAPER, UNKNOWN_GREY = (20, 20, 20), (250, 250, 250), (128, 128, 128)


def contact_sheet(root: Path, labels: LabelFile, groups: dict[str, list[str]]) -> Image.Image:
    """Groups of images under their titles, each image next to itself under its labels, with a legend."""
    font = ImageFont.load_default(11)
    cell = (2 * TILE[0] + 2 + GAP, TILE[1] + CAPTION + GAP)
    heights = [24 + cell[1] * -(-len(keys) // COLUMNS) for keys in groups.values()]
    sheet = Image.new("RGB", (COLUMNS * cell[0] + GAP, 28 + sum(heights)), PAPER)
    pen = ImageDraw.Draw(sheet)
    _legend(pen, labels.part_names, font)
    top = 28
    for (title, keys), height in zip(groups.items(), heights, strict=True):
        pen.text((GAP, top + 4), title, INK, ImageFont.load_default(14))
        for place, key in enumerate(keys):
            row, column = divmod(place, COLUMNS)
            left, upper = GAP + column * cell[0], top + 24 + row * cell[1]
            sheet.paste(_pair(root, labels, key), (left, upper))
            pen.text((left, upper + TILE[1] + 1), _shortened(Path(key).name), INK, font)
            pen.text((left, upper + TILE[1] + 12), labels.status(key), INK, font)
        top += height
    return sheet


def _legend(pen: ImageDraw.ImageDraw, names: Iterable[str], font: ImageFont.FreeTypeFont) -> None:
    left = GAP
    for number, name in enumerate(names):
        pen.rectangle((left, 8, left + 12, 20), fill=tuple(_colour(number).astype(int)))
        pen.text((left + 16, 7), name, INK, font)
        left += 30 + int(pen.textlength(name, font))


def _pair(root: Path, labels: LabelFile, key: str) -> Image.Image:
    pair = Image.new("RGB", (2 * TILE[0] + 2, TILE[1]), UNKNOWN_GREY)
    try:
        image = read_rgb(root / key).resize(TILE, Image.Resampling.BILINEAR)
    except UnreadableImage:
        return pair
    pair.paste(image, (0, 0))
    pair.paste(overlaid(image, labels.label_map(key)), (TILE[0] + 2, 0))
    return pair


def overlaid(image: Image.Image, label_map: np.ndarray) -> Image.Image:
    """The image with each part's colour laid over it; where labels are unknown it turns grey."""
    places = Image.fromarray(label_map).resize(image.size, Image.Resampling.NEAREST)
    numbers = np.asarray(places)
    pixels = np.asarray(image, np.float32)
    colours = np.where((numbers == UNKNOWN)[..., None], UNKNOWN_GREY, _colour(numbers.astype(int) - 1))
    opacity = np.where(numbers > 0, OPACITY, 0)[..., None]
    return Image.fromarray(((1 - opacity) * pixels + opacity * colours).round().astype(np.uint8))


def _colour(number: int | np.ndarray) -> np.ndarray:
    return COLOURS[number % len(COLOURS)]


def _shortened(name: str, length: int = 30) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
