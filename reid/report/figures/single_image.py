"""One image and what a model makes of it: labels, attention and visibility of each part, and what it finds."""

from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from artefacts.errors import UserError
from artefacts.manifest import ImageRow
from reid.config.root import Matching
from reid.embeddings.store import HOLISTIC, Embeddings, Split, StoredSplit
from reid.evaluation.retrieval import retrieve
from reid.report.figures.attention import CELL, COLUMNS, draw_titles, tiles
from reid.report.figures.ranking import FIRST, Figure
from reid.report.figures.ranking_sheet import FRAME, GAP, INK, PAPER, TITLE, font, sheet

SCORES = 18  # pixels


@dataclass(frozen=True)
class Prediction:
    """What a model makes of an image: `attention` [K + 1, h, w], and of its parts `visible` and largest `score` [K]."""

    image: ImageRow
    attention: np.ndarray
    visible: np.ndarray
    score: np.ndarray


def stored(image: ImageRow, split: StoredSplit, number: int) -> Prediction:
    """What the embeddings hold of image `number` of query or gallery."""
    parts = slice(len(HOLISTIC), None)
    return Prediction(image, split.attention(number), split.visibility[number, parts], split.score[number, parts])


def computed(image: ImageRow, batch: Split, number: int) -> Prediction:
    """What a network has just made of image `number` of a batch."""
    parts = slice(len(HOLISTIC), None)
    attention = batch.attention[number].astype(np.float32) / 255
    return Prediction(image, attention, batch.visibility[number, parts], batch.score[number, parts])


def image_card(seen: Prediction, label_map: np.ndarray, root: Path, parts: list[str]) -> Image.Image:
    """A strip: the image, its labels [h, w], the winning attention, and each part's map with its largest value."""
    image = seen.image
    shown = tiles(root / image.key, label_map, seen.attention, seen.visible)
    page = Image.new("RGB", (GAP + len(shown) * CELL[0], GAP + 2 * TITLE + CELL[1] + SCORES), PAPER)
    pen = ImageDraw.Draw(page)
    who = f"identity {image.identity}" if image.identity > 0 else "a distractor"
    line = f"{image.key}: {image.split}, {who}, camera {image.camera}, {image.width} x {image.height} pixels"
    pen.text((GAP, GAP), line, INK, font(13))
    draw_titles(pen, GAP + TITLE, parts)
    for column, tile in enumerate(shown):
        page.paste(tile, (GAP + column * CELL[0], GAP + 2 * TITLE))
    for column, (score, visible) in enumerate(zip(seen.score, seen.visible, strict=True), start=len(COLUMNS)):
        word = "visible" if visible else "hidden"
        pen.text((GAP + column * CELL[0] + FRAME, GAP + 2 * TITLE + CELL[1]), f"{score:.2f} {word}", INK, font(11))
    return page


def with_queries(file: Embeddings, split: StoredSplit) -> Embeddings:
    """The same embeddings with the images of `split` in the place of the queries."""
    other = copy(file)
    other.query = split
    return other


def ranking(file: Embeddings, number: int, matching: Matching, root: Path) -> Image.Image:
    """What query `number` finds by each part that it shows alone, and by all that is compared (Figure 3)."""
    figure = Figure(file, matching, root)
    try:
        found = retrieve(file, matching, FIRST, np.array([number]))
    except UserError as error:
        return text_banner(f"no ranking: {error}")
    rows = figure.rows(number, found, 0, "all parts together", figure.parts_of(found, 0))
    return sheet([rows], figure.colours(found))


def text_banner(text: str) -> Image.Image:
    """A line of text."""
    page = Image.new("RGB", (2 * GAP + int(font(13).getlength(text)), 2 * TITLE), PAPER)
    ImageDraw.Draw(page).text((GAP, TITLE // 2), text, INK, font(13))
    return page


def stacked(pages: list[Image.Image]) -> Image.Image:
    """The pictures below each other."""
    page = Image.new("RGB", (max(one.width for one in pages), sum(one.height for one in pages)), PAPER)
    top = 0
    for one in pages:
        page.paste(one, (0, top))
        top += one.height
    return page
