"""The picture of rankings, as Figure 3: queries and their first gallery images, framed green (right) or red (wrong).

Each image is shown with the attention map that decided, and with one square for each compared embedding: filled where
it is visible in both images, hollow where it took no part.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

RIGHT, WRONG, QUERY = (38, 150, 66), (206, 44, 44), (70, 70, 70)
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (150, 150, 150)
COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (120, 94, 240), (154, 205, 50), (139, 69, 19), (64, 224, 208), (255, 105, 180),
)  # fmt: skip
HOLISTIC_COLOURS = {"global": (165, 165, 165), "foreground": (110, 110, 110), "concatenated": (55, 55, 55)}
THUMB = (84, 168)  # width, height of an image
FRAME, GAP, SQUARE, CAPTION, TITLE = 4, 8, 9, 15, 20  # pixels
CELL = (THUMB[0] + 2 * FRAME + GAP, THUMB[1] + 2 * FRAME + SQUARE + CAPTION + GAP)


@dataclass(frozen=True)
class Shown:
    """One image of a row: the picture, its attention map [h, w] if one decided, and what stands around it.

    `compared` [P] tells which embeddings count, `colour` is the frame's, `caption` stands below.
    """

    image: Image.Image
    attention: np.ndarray | None
    compared: np.ndarray
    colour: tuple[int, int, int]
    caption: str


@dataclass(frozen=True)
class Row:
    """A query and its first gallery images under the compared `embeddings`."""

    title: str
    embeddings: list[str]
    images: list[Shown]


Colours = dict[str, tuple[int, int, int]]


def colours_of(parts: list[str]) -> Colours:
    """The colour of every embedding: of the parts in their order, the same in all pictures, and greys of the others."""
    return HOLISTIC_COLOURS | {part: COLOURS[number % len(COLOURS)] for number, part in enumerate(parts)}


def sheet(queries: list[list[Row]], colours: Colours) -> Image.Image:
    """The rows of each query below each other, under a legend of the embeddings in their `colours`."""
    rows = [row for query in queries for row in query]
    width = 3 * GAP + max(len(row.images) for row in rows) * CELL[0]
    legend = _legend(colours, width)
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


def _draw_row(page: Image.Image, pen: ImageDraw.ImageDraw, top: int, row: Row, colours: Colours) -> None:
    pen.text((GAP, top + TITLE // 2), row.title, INK, font(13), anchor="lm")
    for column, shown in enumerate(row.images):
        left = GAP + column * CELL[0] + (GAP if column else 0)
        _draw_image(page, pen, (left, top + TITLE), shown)
        squares = [(colours[name], seen) for name, seen in zip(row.embeddings, shown.compared, strict=True)]
        _draw_squares(pen, (left, top + TITLE + THUMB[1] + 2 * FRAME - 1), squares)


def _draw_image(page: Image.Image, pen: ImageDraw.ImageDraw, corner: tuple[int, int], shown: Shown) -> None:
    left, top = corner
    right, bottom = left + THUMB[0] + 2 * FRAME - 1, top + THUMB[1] + 2 * FRAME - 1
    pen.rectangle((left, top, right, bottom), fill=shown.colour)
    thumb = shown.image.resize(THUMB, Image.Resampling.LANCZOS)
    if shown.attention is not None:
        thumb = overlaid(thumb, shown.attention)
    page.paste(thumb, (left + FRAME, top + FRAME))
    pen.text((left, bottom + SQUARE + CAPTION // 2 + 3), shown.caption, INK, font(11), anchor="lm")


def _draw_squares(pen: ImageDraw.ImageDraw, corner: tuple[int, int], squares: list[tuple]) -> None:
    """A square for each embedding, filled in its colour where it is compared."""
    left, bottom = corner
    for place, (colour, compared) in enumerate(squares):
        x = left + place * (SQUARE + 1)
        box = (x, bottom + 3, x + SQUARE - 2, bottom + 1 + SQUARE)
        pen.rectangle(box, fill=colour if compared else None, outline=colour if compared else FAINT)


def overlaid(image: Image.Image, attention: np.ndarray) -> Image.Image:
    """The image, pale where `attention` [h, w] (0..1) is low, in its own colours and warmer where it is high."""
    weight = Image.fromarray((attention * 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    weight = np.asarray(weight, np.float32)[..., None] / 255
    colour = np.asarray(image, np.float32)
    pale = 0.18 * colour + 0.22 * colour.mean(axis=2, keepdims=True) + 108
    warm = 0.75 * colour + 0.25 * np.array([255, 120, 0], np.float32)
    return Image.fromarray((pale * (1 - weight) + warm * weight).clip(0, 255).astype(np.uint8))


def _legend(colours: Colours, width: int) -> Image.Image:
    """Squares and names of the embeddings, then what frames mean; on as many lines as they need."""
    entries: list[tuple] = list(colours.items())
    entries += [("right", RIGHT), ("wrong", WRONG), ("hollow: not visible in both, not compared", None)]
    face, line = font(12), 18
    places, x, y = [], GAP, GAP
    for name, colour in entries:
        length = int(face.getlength(name)) + 34
        if x + length > width:
            x, y = GAP, y + line
        places.append((x, y, name, colour))
        x += length
    image = Image.new("RGB", (width, y + line + GAP), PAPER)
    pen = ImageDraw.Draw(image)
    for x, y, name, colour in places:
        pen.rectangle((x, y + 2, x + 11, y + 13), fill=colour, outline=colour or FAINT)
        pen.text((x + 17, y + 8), name, INK, face, anchor="lm")
    return image


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of all pictures."""
    return ImageFont.load_default(size)
