"""What the page asks: the ranking of one query under chosen embeddings and visibility, by Eq. 9 as `reid search`."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from artefacts.errors import UserError
from artefacts.manifest import DISTRACTOR
from reid.browse.images import ImageSet
from reid.search.choice import VISIBILITY, chosen_pack, compared_names, without_reranking
from reid.search.extractor import Extractor
from reid.search.features import Features

MEASURED = "as measured"  # thresholds of a matching's own, for which there is no word


class Query(NamedTuple):
    """An image that is searched with: one of the queries or of the gallery by its number, or a file by its path."""

    source: Literal["query", "gallery", "file"]
    number: int = 0
    path: str = ""


class PartResult(NamedTuple):
    """What one compared embedding says of a gallery image: `distance` is None where it is not visible in both.

    `weight` is what the distance counts in the mean of Eq. 9: 1, or under soft visibility the product of both scores.
    """

    name: str
    distance: float | None
    weight: float
    in_query: bool
    in_image: bool


@dataclass(frozen=True)
class Hit:
    """A gallery image: its number, distance (None where nothing is visible in both), and what each embedding says.

    `probability` of the same person if there is a distance and the model is calibrated for this comparison; `person`
    says what the dataset knows: right, wrong, or ignored (the same identity and camera, which evaluation leaves out),
    or nothing.
    """

    image: int
    distance: float | None
    probability: float | None
    parts: list[PartResult]
    person: Literal["right", "wrong", "ignored", ""]


@dataclass(frozen=True)
class Ranking:
    """The query's features and its nearest gallery images, under a matching that compares the embeddings `compared`."""

    query: Features
    compared: list[str]
    hits: list[Hit]


@dataclass(frozen=True)
class Session:
    """A model, the gallery that it searches, and images to choose a query from (which may be the gallery)."""

    model: Extractor
    gallery: ImageSet
    queries: ImageSet

    @property
    def visibilities(self) -> dict[str, object]:
        """The visibility rules to choose from, by their words."""
        own = self.model.pack.matching.visibility
        return VISIBILITY if own in VISIBILITY.values() else VISIBILITY | {MEASURED: own}

    @property
    def visibility(self) -> str:
        """The word of the rule that the model was measured with."""
        own = self.model.pack.matching.visibility
        return next(word for word, rule in self.visibilities.items() if rule == own)

    def images_of(self, query: Query) -> ImageSet:
        """Query images or gallery."""
        return self.queries if query.source == "query" else self.gallery

    def ranking(self, query: Query, embeddings: list[str], visibility: str, top: int) -> Ranking:
        """The `top` nearest gallery images by Eq. 9, without the query itself; never re-ranked, which a single query
        cannot be as the evaluation does. Raises UserError for an image that cannot be read, and if no embedding is
        chosen."""
        if not embeddings:
            raise UserError("choose at least one embedding to compare")
        pack = chosen_pack(without_reranking(self.model.pack), embeddings, self.visibilities[visibility])
        asked = replace(self._features(query), pack=pack)
        gallery = replace(self.gallery.features, pack=pack)
        own = query.number if query.source != "file" and self.images_of(query) is self.gallery else None
        found = asked.search(gallery, top + (own is not None))
        places = [place for place, image in enumerate(found.images[0]) if image != own][:top]
        nearest = gallery[found.images[0, places].tolist()]
        likely = None if found.probabilities is None else found.probabilities[0, places]
        parts = _part_results(asked, nearest)
        hits = [
            Hit(
                image := int(found.images[0, place]),
                _finite(found.distances[0, place]),
                None if likely is None else _finite(likely[number]),
                parts[number],
                self._person(query, image),
            )
            for number, place in enumerate(places)
        ]
        return Ranking(asked, compared_names(pack), hits)

    def _features(self, query: Query) -> Features:
        if query.source != "file":
            return self.images_of(query).features[[query.number]]
        seen = self.model.embed([query.path])
        for why in seen.failed.values():
            raise UserError(f"the query cannot be read: {why}")
        return seen

    def _person(self, query: Query, image: int) -> Literal["right", "wrong", "ignored", ""]:
        asked = self.images_of(query)
        if query.source == "file" or asked.identities is None or self.gallery.identities is None:
            return ""
        identity = asked.identities[query.number]
        if identity == DISTRACTOR:
            return ""
        if self.gallery.identities[image] != identity:
            return "wrong"
        return "ignored" if self.gallery.cameras[image] == asked.cameras[query.number] else "right"


def _part_results(query: Features, images: Features) -> list[list[PartResult]]:
    """What each compared embedding says of each of the images."""
    columns = []
    for place, (name, (first, *_)) in enumerate(query.columns.items()):
        soft = query.pack.matching.visibility == "soft" and name in query.pack.parts
        weights = query.scores[0, first] * images.scores[:, first] if soft else np.ones(len(images))
        own, seen = bool(query.visibility[0, place]), images.visibility[:, place].tolist()
        rows = zip(query.distances(images, name)[0], weights.tolist(), seen, strict=True)
        columns.append([PartResult(name, _finite(apart), weight, own, inside) for apart, weight, inside in rows])
    return [list(parts) for parts in zip(*columns, strict=True)]


def _finite(distance: np.float32) -> float | None:
    return float(distance) if np.isfinite(distance) else None
