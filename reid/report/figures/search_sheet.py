"""The picture of a search in images without identities: queries, and their nearest images with what was compared."""

from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from reid.report.figures.ranking_sheet import (
    COMPARED_FRAMES,
    FAINT,
    QUERY,
    RankingRow,
    Shown,
    colours_of,
    sheet,
)
from reid.search.features import Features, Hits

FIRST, QUERIES = 10, 50  # images a query and queries that are drawn, at most


def search_sheet(queries: Features, gallery: Features, found: Hits, near: np.ndarray) -> Image.Image:
    """The picture of what was found and is `near` [Q, k]. Raises UserError for an image that is no longer where it was
    embedded."""
    names = queries.compared
    drawn = []
    for number, name in enumerate(queries.names[:QUERIES]):
        own = queries.visibility[number]
        images = [_shown(queries, number, own, QUERY, "query")]
        shown = near[number, :FIRST].nonzero()[0]
        for image, distance in zip(found.images[number, shown], found.distances[number, shown], strict=True):
            both = own & gallery.visibility[image]
            images.append(_shown(gallery, image, both, FAINT, f"{distance:.3g}"))
        drawn.append([RankingRow(name, names, images)])
    every = colours_of(queries.pack.parts)
    return sheet(drawn, {name: every[name] for name in names}, COMPARED_FRAMES)


def _shown(features: Features, number: int, compared: np.ndarray, colour: tuple, caption: str) -> Shown:
    path = Path(features.names[number])
    try:
        picture = read_rgb(path)
    except UnreadableImage as error:
        raise UserError(f"{path}: cannot be drawn ({error}); run this in the folder where it was embedded") from None
    maps = features.attention[number].astype(np.float32) / 255
    parts = dict(zip(features.pack.parts, maps[1:], strict=True)) | {"foreground": maps[1:].max(axis=0)}
    shown = [parts.get(name) for name in features.compared]
    single = shown[0] if len(shown) == 1 else parts["foreground"]
    return Shown(picture, single, shown, compared, colour, caption)
