"""What the page shows, as HTML: the choice of queries, the query, and a card for each gallery image of its ranking."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from artefacts.images import read_rgb
from reid.browse.images import ImageSet
from reid.browse.pictures import attention_maps, image_of, map_tile, picture, thumbnail
from reid.browse.session import Hit, PartResult, Query, Ranking, Session
from reid.checkpoints.pack_format import Calibration
from reid.report.figures.ranking_sheet import colours_of
from reid.search.calibration import false_match_rate
from reid.search.features import Features

PERSON = {
    "right": "same identity",
    "wrong": "another identity",
    "ignored": "same identity, same camera",
    "": "",
}


def choice(images: ImageSet, numbers: list[int], chosen: int | None) -> str:
    """Thumbnails of images to choose a query from; the `chosen` one is marked."""
    if not numbers:
        return '<p class="none">no image has this in its name</p>'
    tiles = (
        f'<button data-image="{number}" title="{escape(images.key(number))}"'
        f' class="thumb{" chosen" if number == chosen else ""}" aria-pressed="{str(number == chosen).lower()}">'
        f'<img alt="{escape(images.key(number))}" src="{thumbnail(images, number)}"></button>'
        for number in numbers
    )
    return f'<div class="thumbs">{"".join(tiles)}</div>'


def message(text: str) -> str:
    """A line in place of a ranking."""
    return f'<p class="message">{escape(text)}</p>'


def heading(session: Session) -> str:
    """The model, the gallery, and what colours and numbers mean."""
    pack = session.model.pack
    on = pack.calibration and escape(pack.calibration.dataset)
    calibrated = f"<span>%: probability of the same person at even odds, calibrated on {on}</span>" if on else ""
    plain = "" if pack.matching.rerank is None else ", without the re-ranking that the model was measured with"
    return (
        f'<div class="heading"><span><b>{escape(pack.name)}</b>: {len(session.gallery):,} gallery images</span>'
        f"<span>distances (Eq. 9): the mean over the embeddings visible in both{plain}</span>{calibrated}"
        '<span class="key compared">visible in both</span><span class="key hidden">not compared</span>'
        f"{_known(session)}</div>"
    )


def _known(session: Session) -> str:
    """What a dataset's identities mean for the cards."""
    if session.gallery.identities is None or session.queries.identities is None:
        return ""
    return '<span class="key ignored">same identity and camera: ignored</span>'


def ranking(session: Session, query: Query, found: Ranking, overlay: bool) -> str:
    """The query, and a card for each gallery image, nearest first; with `overlay`, attention is drawn on them."""
    hits = (_card(session.gallery, place, hit, overlay) for place, hit in enumerate(found.hits, start=1))
    return f'<div class="cards">{_query_card(session, query, found, overlay)}{"".join(hits)}</div>'


def _query_card(session: Session, query: Query, found: Ranking, overlay: bool) -> str:
    """The query, with what it shows of each compared embedding."""
    features = found.query
    if query.source == "file":
        image, title, link = read_rgb(Path(query.path)), Path(query.path).name, None
    else:
        images = session.images_of(query)
        image, title = image_of(images, query.number), images.key(query.number)
        link = f"image/{query.source}/{query.number}"
        title += _who(images, query.number)
    seen = zip(features.compared, features.visibility[0], features.scores[0][_places(features)], strict=True)
    rows = (
        _row(features, 0, name, bool(visible), _shown(name in features.pack.parts, bool(visible), score))
        for name, visible, score in seen
    )
    head = '<header><b>Query</b><span class="unit">attention</span></header>'
    shown = picture(image, _overlay(features, 0) if overlay else None)
    return f'<article class="card query">{head}{_body(shown, title, link, rows)}{_footer(title)}</article>'


def _card(gallery: ImageSet, place: int, hit: Hit, overlay: bool) -> str:
    features, number = gallery.features, hit.image
    distance = "nothing visible in both" if hit.distance is None else f"{hit.distance:.3f}"
    likely = _likely(gallery.features.pack.calibration, hit)
    person = f'<span class="person">{PERSON[hit.person]}</span>' if hit.person else ""
    head = f'<header><b>{place}</b><span class="distance">{distance}</span>{likely}{person}</header>'
    rows = (_row(features, number, part.name, part.distance is not None, _said(part)) for part in hit.parts)
    chosen = [part.name for part in hit.parts]
    shown = picture(image_of(gallery, number), _overlay(features, number, chosen) if overlay else None)
    key, link = gallery.key(number), f"image/gallery/{number}"
    body = _body(shown, key, link, rows)
    title = f"{key}{_who(gallery, number)}"
    use = f'<button data-image="{number}" title="search with this image">search with this</button>'
    return f'<article class="card {hit.person or "unknown"}">{head}{body}{_footer(title, use)}</article>'


def _likely(calibration: Calibration | None, hit: Hit) -> str:
    """How likely the same person is, if that is known; on hovering, the false match rate of so short a distance."""
    if hit.probability is None or hit.distance is None or calibration is None:
        return ""
    rate = false_match_rate(calibration, hit.distance)
    words = f"within the threshold at a false match rate of {rate}" if rate else "beyond all thresholds"
    return f'<span class="likely" title="{words}">{hit.probability:.0%}</span>'


def _footer(title: str, use: str = "") -> str:
    return f'<footer><span class="name" title="{escape(title)}">{escape(title)}</span>{use}</footer>'


def _body(shown: str, title: str, link: str | None, rows: Iterator[str]) -> str:
    image = f'<img class="picture" alt="{escape(title)}" src="{shown}">'
    if link:
        image = f'<a href="{link}" target="_blank" title="open the file">{image}</a>'
    return f'<div class="body">{image}<ul class="parts">{"".join(rows)}</ul></div>'


def _row(features: Features, number: int, name: str, counts: bool, said: str) -> str:
    """The map of an embedding, its name, and what is said of it."""
    tile = map_tile(attention_maps(features, number).get(name), colours_of(features.pack.parts)[name])
    state = "compared" if counts else "hidden"
    words = f"<span>{escape(name)}</span><i>{said}</i>"
    return f'<li class="{state}" data-part="{escape(name)}"><img alt="" src="{tile}">{words}</li>'


def _shown(part: bool, visible: bool, score: float) -> str:
    """What the query shows of an embedding: of a part, its largest attention."""
    if not part:
        return "always"
    return f"{score:.2f}" if visible else f"hidden, {score:.2f}"


def _said(part: PartResult) -> str:
    if part.distance is not None:
        return f"{part.distance:.3f}" + (f" × {part.weight:.2f}" if part.weight != 1 else "")
    if part.in_query == part.in_image:
        return "hidden in both"
    return f"hidden in {'image' if part.in_query else 'query'}"


def _overlay(features: Features, number: int, compared: list[str] | None = None) -> np.ndarray | None:
    """The strongest attention of the compared embeddings; none where one sees the whole image."""
    maps = attention_maps(features, number)
    chosen = [maps.get(name) for name in compared or features.compared]
    return None if any(one is None for one in chosen) else np.max(chosen, axis=0)


def _places(features: Features) -> list[int]:
    """The number of the first embedding of each compared one."""
    return [columns[0] for columns in features.columns.values()]


def _who(images: ImageSet, number: int) -> str:
    if images.identities is None:
        return ""
    identity = images.identities[number]
    who = f"identity {identity}" if identity else "distractor"
    return f" · {who} · camera {images.cameras[number]}"
