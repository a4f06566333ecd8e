"""The picture of rankings, as Figure 3: queries and their first gallery images, framed green (right) or red (wrong).

Each image is shown with the attention map that decided; below it stand the maps of all compared embeddings, framed
green where the embedding is visible in both images, red where it took no part.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artefacts.palette import PART_COLOURS

RIGHT, WRONG, QUERY = (38, 150, 66), (206, 44, 44), (70, 70, 70)
FRAMES = {"right; visible in both": RIGHT, "wrong; not visible in both, not compared": WRONG}  # and what they mean
COMPARED_FRAMES = {
    "visible in both": RIGHT,
    "not visible in both, not compared": WRONG,
}  # where nobody knows who is who
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (150, 150, 150)
HOLISTIC_COLOURS = {"global": (165, 165, 165), "foreground": (110, 110, 110), "concatenated": (55, 55, 55)}
THUMB = (84, 168)  # width, height of an image
FRAME, GAP, CAPTION, TITLE = 4, 8, 15, 20  # pixels
SMALL = (15, 30)  # at most, of the map of one embedding with its frame
CELL = (THUMB[0] + 2 * FRAME + GAP, THUMB[1] + 2 * FRAME + SMALL[1] + CAPTION + GAP)


@dataclass(frozen=True)
class Shown:
    """One image of a row: the picture, its attention map [h, w] if one decided, and what stands around it.

    `maps` has those of the P compared embeddings, None of one that sees the whole image; `compared` [P] tells which of
    them count, `colour` is the frame's, `caption` stands below.
    """

    image: Image.Image
    attention: np.ndarray | None
    maps: list[np.ndarray | None]
    compared: np.ndarray
    colour: tuple[int, int, int]
    caption: str


@dataclass(frozen=True)
class RankingRow:
    """A query and its first gallery images under the compared `embeddings`."""

    title: str
    embeddings: list[str]
    images: list[Shown]


Colours = dict[str, tuple[int, int, int]]


def colours_of(parts: list[str]) -> Colours:
    """The colour of every embedding: of the parts in their order, the same in all pictures, and greys of the others."""
    return HOLISTIC_COLOURS | {part: PART_COLOURS[number % len(PART_COLOURS)] for number, part in enumerate(parts)}


def sheet(queries: list[list[RankingRow]], colours: Colours, frames: Colours = FRAMES) -> Image.Image:
    """The rows of each query below each other, under a legend of the embeddings in their `colours` and of `frames`."""
    rows = [row for query in queries for row in query]
    width = 3 * GAP + max(len(row.images) for row in rows) * CELL[0]
    legend = _legend(colours | frames, width)
    height = legend.height + len(rows) * (TITLE + CELL[1]) + len(queries) * GAP
    page = Image.new("RGB", (width, height), PAPER)
    page.paste(legend, (0, 0))
    pen, top = ImageDraw.Draw(page), legend.height
    for query in queries:
        pen.line((0, top, width, top), FAINT)
        top += GAP
        for row in query:
            _draw_row(page, pen, top, row, colours)
            top += TITLE + CELL[1]
    return page


def _draw_row(page: Image.Image, pen: ImageDraw.ImageDraw, top: int, row: RankingRow, colours: Colours) -> None:
    pen.text((GAP, top + TITLE // 2), row.title, INK, font(13), anchor="lm")
    for column, shown in enumerate(row.images):
        left = GAP + column * CELL[0] + (GAP if column else 0)
        _draw_image(page, pen, (left, top + TITLE), shown)
        below = (left, top + TITLE + THUMB[1] + 2 * FRAME + 2)
        for place, (name, own, seen) in enumerate(zip(row.embeddings, shown.maps, shown.compared, strict=True)):
            width = min(SMALL[0], CELL[0] // len(row.embeddings))
            tile = _small_map(own, colours[name], RIGHT if seen else WRONG, width)
            page.paste(tile, (below[0] + place * width, below[1]))


def _small_map(attention: np.ndarray | None, colour: tuple, frame: tuple, width: int) -> Image.Image:
    """A map [h, w] in its embedding's colour on white; nothing but colour where there is none."""
    size = (width - 1, SMALL[1] - 2)
    tile = Image.new("RGB", size, frame)
    inside = (size[0] - 2, size[1] - 2)
    weight = Image.new("L", inside, 255) if attention is None else Image.fromarray((attention * 255).astype(np.uint8))
    tile.paste(PAPER, (1, 1, 1 + inside[0], 1 + inside[1]))
    tile.paste(colour, (1, 1), weight.resize(inside, Image.Resampling.BICUBIC))
    return tile


def _draw_image(page: Image.Image, pen: ImageDraw.ImageDraw, corner: tuple[int, int], shown: Shown) -> None:
    left, top = corner
    right, bottom = left + THUMB[0] + 2 * FRAME - 1, top + THUMB[1] + 2 * FRAME - 1
    pen.rectangle((left, top, right, bottom), fill=shown.colour)
    thumb = shown.image.resize(THUMB, Image.Resampling.LANCZOS)
    if shown.attention is not None:
        thumb = overlaid(thumb, shown.attention)
    page.paste(thumb, (left + FRAME, top + FRAME))
    pen.text((left, bottom + SMALL[1] + CAPTION // 2 + 3), shown.caption, INK, font(11), anchor="lm")


def overlaid(image: Image.Image, attention: np.ndarray) -> Image.Image:
    """The image, pale where `attention` [h, w] (0..1) is low, in its own colours and warmer where it is high."""
    weight = Image.fromarray((attention * 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    weight = np.asarray(weight, np.float32)[..., None] / 255
    colour = np.asarray(image, np.float32)
    pale = 0.18 * colour + 0.22 * colour.mean(axis=2, keepdims=True) + 108
    warm = 0.75 * colour + 0.25 * np.array([255, 120, 0], np.float32)
    return Image.fromarray((pale * (1 - weight) + warm * weight).clip(0, 255).astype(np.uint8))


def _legend(meanings: Colours, width: int) -> Image.Image:
    """Colours and names of the embeddings, then what frames mean; on as many lines as they need."""
    face, line = font(12), 18
    places, x, y = [], GAP, GAP
    for name, colour in meanings.items():
        length = int(face.getlength(name)) + 34
        if x + length > width:
            x, y = GAP, y + line
        places.append((x, y, name, colour))
        x += length
    image = Image.new("RGB", (width, y + line + GAP), PAPER)
    pen = ImageDraw.Draw(image)
    for x, y, name, colour in places:
        pen.rectangle((x, y + 2, x + 11, y + 13), fill=colour)
        pen.text((x + 17, y + 8), name, INK, face, anchor="lm")
    return image


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of all pictures."""
    return ImageFont.load_default(size)
