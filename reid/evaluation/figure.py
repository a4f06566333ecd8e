"""Figure 3: which queries it shows, and their rows, first under a single part, then under all that is compared."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from reid.config import Matching
from reid.evaluation.pictures import QUERY, RIGHT, WRONG, Row, Shown, sheet
from reid.evaluation.retrieval import Retrieval, retrieve
from reid.evaluation.store import Embeddings, StoredSplit

FIRST = 10  # gallery images of a query


@dataclass(frozen=True)
class Figure:
    """The picture of a retrieval `found` of all queries of `file` under `matching`; images lie under `root`."""

    file: Embeddings
    matching: Matching
    found: Retrieval
    root: Path

    def draw(self, queries: int) -> Image.Image:
        """The picture with so many queries. Raises UserError for an image that cannot be read."""
        chosen = choose(self.found, self.file.query.score, queries)
        return sheet([self._rows(*one, number) for number, one in enumerate(chosen)], self.found.names)

    def _rows(self, query: int, why: str, number: int) -> list[Row]:
        """The rows of a query; parts that it shows take turns in the first."""
        names = self.found.names
        parts = [i for i in np.flatnonzero(self.found.query_visible[query]) if names[i] in self.file.parts]
        together = f"{' + '.join(self.matching.embeddings)}, {why}, {self.file.query.key_of(query)}"
        rows = [self._row(query, query, self.found, together)]
        if parts and len(names) > 1:
            part = names[parts[number % len(parts)]]
            alone = self.matching.model_copy(update={"embeddings": [part], "rerank": None})
            single = retrieve(self.file, alone, FIRST, np.array([query]))
            rows.insert(0, self._row(query, 0, single, f"{part} alone"))
        return rows

    def _row(self, query: int, place: int, found: Retrieval, title: str) -> Row:
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
        return Row(f"{title}: {worth}", [self.found.names.index(name) for name in found.names], images)

    def _shown(self, split: StoredSplit, image: int, found: Retrieval, compared, colour, caption: str) -> Shown:
        path = self.root / split.key_of(image)
        try:
            picture = read_rgb(path)
        except UnreadableImage as error:
            raise UserError(f"{path}: cannot be read ({error}); is the dataset's root still right?") from None
        return Shown(picture, self._attention(split.attention(image), found.names), compared, colour, caption)

    def _attention(self, maps: np.ndarray, names: list[str]) -> np.ndarray | None:
        """The map of the one part that is compared, or of the foreground; none where neither takes part."""
        if names == ["global"]:
            return None
        if len(names) == 1 and names[0] in self.file.parts:
            return maps[1 + self.file.parts.index(names[0])]
        return maps[1:].max(axis=0)


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
