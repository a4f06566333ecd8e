"""The picture of labels next to learned attention, as the second row of Figure 1."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from artefacts.palette import PART_COLOURS
from parsing.schemes import UNKNOWN
from parsing.store import LabelFile
from reid.embeddings.store import HOLISTIC, Embeddings
from reid.report.figures.ranking_sheet import (
    FRAME,
    GAP,
    INK,
    PAPER,
    RIGHT,
    THUMB,
    TITLE,
    WRONG,
    colours_of,
    font,
    overlaid,
)

COLUMNS = ("image", "PifPaf label", "attention")  # before one column a part
CELL = (THUMB[0] + 2 * FRAME + GAP, THUMB[1] + 2 * FRAME + GAP)


def attention_sheet(file: Embeddings, labels: LabelFile, root: Path, images: int) -> Image.Image:
    """A page with a row an image: itself, its label map, the winning attention, and the map of every part.

    A part's frame is green where it counts as visible and red where it does not (Eq. 4). Half of the images are
    queries, half gallery, evenly spread. Raises UserError for an image that cannot be read.
    """
    chosen = [(file.query, row) for row in _spread(len(file.query), images - images // 2)]
    chosen += [(file.gallery, row) for row in _spread(len(file.gallery), images // 2)]
    columns = len(COLUMNS) + len(file.parts)
    page = Image.new("RGB", (GAP + columns * CELL[0], GAP + TITLE + len(chosen) * CELL[1]), PAPER)
    draw_titles(ImageDraw.Draw(page), GAP, file.parts)
    for number, (split, row) in enumerate(chosen):
        key = split.key_of(row)
        shown = tiles(root / key, labels.label_map(key), split.attention(row), split.visibility[row, len(HOLISTIC) :])
        for column, tile in enumerate(shown):
            page.paste(tile, (GAP + column * CELL[0], GAP + TITLE + number * CELL[1]))
    return page


def _spread(length: int, count: int) -> list[int]:
    return np.unique(np.linspace(0, length - 1, count).round().astype(int)).tolist() if length else []


def tiles(path: Path, label_map: np.ndarray, attention: np.ndarray, visible: np.ndarray) -> list[Image.Image]:
    """The image, its labels [h, w], the winning attention, and each part's map of `attention` [K + 1, h, w], framed.

    A frame is green where the part is `visible` [K] and red where not. Raises UserError for an unreadable image.
    """
    try:
        image = read_rgb(path).resize(THUMB, Image.Resampling.LANCZOS)
    except UnreadableImage as error:
        raise UserError(f"{path}: cannot be read ({error}); is the dataset's root still right?") from None
    maps = [
        _framed(overlaid(image, part), RIGHT if seen else WRONG)
        for part, seen in zip(attention[1:], visible, strict=True)
    ]
    whole = [image, coloured(image, label_map), coloured(image, attention.argmax(0))]
    return [*(_framed(one, PAPER) for one in whole), *maps]


def draw_titles(pen: ImageDraw.ImageDraw, top: int, parts: list[str]) -> None:
    """The names of the columns of `tiles`, parts with a square of their colour in label and attention."""
    colours = colours_of(parts)
    for column, title in enumerate((*COLUMNS, *parts)):
        left = GAP + column * CELL[0] + FRAME
        if title in parts:
            pen.rectangle((left, top + 3, left + 9, top + 12), fill=colours[title])
            left += 14
        pen.text((left, top), title, INK, font(12))


def coloured(image: Image.Image, part_map: np.ndarray) -> Image.Image:
    """The image with a part map [h, w] in the parts' colours over it; background and unknown cells stay grey."""
    known = np.where(part_map == UNKNOWN, 0, part_map)
    cells = Image.fromarray(known.astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)
    part = np.asarray(cells)[..., None]
    palette = np.array([(128, 128, 128), *PART_COLOURS], np.float32)
    painted = palette[1 + (part[..., 0] - 1) % len(PART_COLOURS)]
    grey = np.asarray(image.convert("L"), np.float32)[..., None]
    return Image.fromarray(np.where(part > 0, 0.45 * grey + 0.55 * painted, grey).clip(0, 255).astype(np.uint8))


def _framed(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    framed = Image.new("RGB", (image.width + 2 * FRAME, image.height + 2 * FRAME), colour)
    framed.paste(image, (FRAME, FRAME))
    return framed
