"""Figure 3: which queries it shows, and their rows, first under a single part, then under all that is compared."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from reid.config.root import Matching
from reid.embeddings.store import Embeddings, StoredSplit
from reid.evaluation.retrieval import Retrieval, retrieve
from reid.report.figures.ranking_sheet import QUERY, RIGHT, WRONG, Colours, RankingRow, Shown, colours_of, sheet

FIRST = 10  # gallery images of a query


@dataclass(frozen=True)
class Figure:
    """The picture of queries of `file` under `matching`; images lie under `root`."""

    file: Embeddings
    matching: Matching
    root: Path

    def draw(self, found: Retrieval, queries: int) -> Image.Image:
        """The picture of so many queries, `found` for all of them. Raises UserError for an image that cannot be read.

        Parts that a query shows take turns in its first row.
        """
        rows = []
        for number, (query, why) in enumerate(choose(found, self.file.query.score, queries)):
            parts = self.parts_of(found, query)
            rows.append(self.rows(query, found, query, why, parts[number % len(parts) :][:1] if parts else []))
        return sheet(rows, self.colours(found))

    def parts_of(self, found: Retrieval, place: int) -> list[str]:
        """The compared parts that query number `place` of `found` shows; none where nothing else is compared."""
        seen = [found.names[i] for i in np.flatnonzero(found.query_visible[place]) if found.names[i] in self.file.parts]
        return seen if len(found.names) > 1 else []

    def rows(self, query: int, found: Retrieval, place: int, why: str, parts: list[str]) -> list[RankingRow]:
        """The rows of a query, number `place` of `found`: one for each of `parts` alone, then all that is compared."""
        rows = []
        for part in parts:
            alone = self.matching.model_copy(update={"embeddings": [part], "separately": False, "rerank": None})
            rows.append(self._row(query, 0, retrieve(self.file, alone, FIRST, np.array([query])), f"{part} alone"))
        together = f"{' + '.join(self.matching.embeddings)}, {why}, {self.file.query.key_of(query)}"
        return [*rows, self._row(query, place, found, together)]

    def colours(self, found: Retrieval) -> Colours:
        """The colours of the compared embeddings."""
        return {name: colours_of(self.file.parts)[name] for name in found.names}

    def _row(self, query: int, place: int, found: Retrieval, title: str) -> RankingRow:
        """The query and its first images, where it is number `place` of `found`."""
        images = [self._shown(self.file.query, query, found, found.query_visible[place], QUERY, "query")]
        for image, distance, correct in zip(
            found.nearest[place], found.nearest_distances[place], found.correct[place], strict=True
        ):
            if image >= 0:
                both = found.query_visible[place] & found.gallery_visible[image]
                colour = RIGHT if correct else WRONG
                images.append(self._shown(self.file.gallery, image, found, both, colour, f"{distance:.3g}"))
        precision = found.measures.average_precision[place]
        worth = "no positive in the gallery" if np.isnan(precision) else f"AP {precision:.0%}"
        return RankingRow(f"{title}: {worth}", found.names, images)

    def _shown(self, split: StoredSplit, image: int, found: Retrieval, compared, colour, caption: str) -> Shown:
        path = self.root / split.key_of(image)
        try:
            picture = read_rgb(path)
        except UnreadableImage as error:
            raise UserError(f"{path}: cannot be read ({error}); is the dataset's root still right?") from None
        attention = split.attention(image)
        maps = [self._map_of(name, attention) for name in found.names]
        return Shown(picture, self._attention(attention, found.names), maps, compared, colour, caption)

    def _map_of(self, name: str, maps: np.ndarray) -> np.ndarray | None:
        """The map of one embedding; none of those that see the whole image."""
        if name in self.file.parts:
            return maps[1 + self.file.parts.index(name)]
        return maps[1:].max(axis=0) if name == "foreground" else None

    def _attention(self, maps: np.ndarray, names: list[str]) -> np.ndarray | None:
        """The map of the one part that is compared, or of the foreground; none where neither takes part."""
        return self._map_of(names[0], maps) if len(names) == 1 else maps[1:].max(axis=0)


def choose(found: Retrieval, score: np.ndarray, queries: int) -> list[tuple[int, str]]:
    """Numbers of so many queries, each with the reason, no identity twice while there are others.

    In turn the most occluded (fewest visible embeddings, then lowest `score` [Q, E]), the best and the worst found.
    """
    precision, seen = found.measures.average_precision, found.query_visible.sum(axis=1)
    occlusion = np.lexsort((score.sum(axis=1), seen))
    ranks = np.empty_like(occlusion)
    ranks[occlusion] = np.arange(len(occlusion))
    measured = np.flatnonzero(found.measures.measured)
    orders = {
        "most occluded": measured[np.argsort(ranks[measured])],
        "best": measured[np.lexsort((ranks[measured], -precision[measured]))],
        "worst": measured[np.lexsort((ranks[measured], precision[measured]))],
    }
    chosen: dict[int, str] = {}
    while len(chosen) < min(queries, len(measured)):
        why = list(orders)[len(chosen) % len(orders)]
        left = [query for query in orders[why] if query not in chosen]
        used = {found.query_identity[query] for query in chosen}
        fresh = [query for query in left if found.query_identity[query] not in used]
        chosen[int((fresh or left)[0])] = why
    return list(chosen.items())
