"""What a model makes of images, held in memory: compared by Eq. 9, searched, or flattened for tools without parts."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from artefacts.errors import UserError
from reid.checkpoints.pack_format import Pack
from reid.config.report import Matching
from reid.embeddings.store import HOLISTIC
from reid.evaluation.comparison import distances_of
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import Compared, compared, compared_columns, normalised, separated
from reid.evaluation.nearest import Nearest
from reid.search.calibration import probabilities


@dataclass(frozen=True)
class Hits:
    """The nearest gallery images of Q queries: numbers [Q, k], distances [Q, k] and, if calibrated, probabilities."""

    queries: list[str]
    gallery: list[str]
    images: np.ndarray
    distances: np.ndarray
    probabilities: np.ndarray | None

    def within(self, limit: float) -> np.ndarray:
        """Which hits [Q, k] are no farther than `limit`; all if it is infinite."""
        return self.distances <= np.float64(limit)

    def rows(self) -> Iterator[dict]:
        """One row a hit: query, place (1 = nearest), gallery image, distance, probability of the same person."""
        for query, name in enumerate(self.queries):
            for place, image in enumerate(self.images[query]):
                row = {"query": name, "place": place + 1, "image": self.gallery[image]}
                row["distance"] = float(self.distances[query, place])
                if self.probabilities is not None:
                    row["probability"] = float(self.probabilities[query, place])
                yield row


@dataclass(frozen=True)
class Features:
    """N images as a model sees them: E = K + 2 embeddings (global, foreground, K parts), visibility and attention.

    `embeddings` [N, E, D] float32; `visible` [N, E] bool and `scores` [N, E] float32 are Eq. 4's visibility and the
    largest attention, true and 1 for the holistic ones; `attention` [N, K + 1, h, w] uint8 holds Eq. 1's probabilities
    times 255, background first. `failed` says of images that could not be read, why. The properties `features`,
    `visibility` and `compared` are what the pack's matching compares (P embeddings, foreground and parts by default).
    """

    pack: Pack
    names: list[str]
    embeddings: np.ndarray
    visible: np.ndarray
    scores: np.ndarray
    attention: np.ndarray
    failed: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, images: slice | Sequence[int]) -> "Features":
        """Some of the images, by a slice or by their numbers."""
        chosen = np.arange(len(self))[images]
        arrays = {name: getattr(self, name)[chosen] for name in ("embeddings", "visible", "scores", "attention")}
        return replace(self, names=[self.names[number] for number in chosen], failed={}, **arrays)

    @property
    def embedding_names(self) -> list[str]:
        """Names of the E embeddings."""
        return [*HOLISTIC, *self.pack.parts]

    @property
    def columns(self) -> dict[str, list[int]]:
        """The P compared embeddings, each as the numbers of the embeddings that make it up."""
        return compared_columns(self.pack.matching.embeddings, self.embedding_names)

    @property
    def compared(self) -> list[str]:
        """Names of the P compared embeddings."""
        return list(self.columns)

    @property
    def features(self) -> np.ndarray:
        """The compared embeddings [N, P, D]."""
        return np.stack([self._side(columns) for columns in self.columns.values()], axis=1)

    @property
    def visibility(self) -> np.ndarray:
        """Visibility [N, P] of the compared embeddings; all true under a matching without visibility."""
        return compared(_Split(self), self.pack.matching, self.embedding_names).visible

    def distances(self, other: "Features", part: str | None = None) -> np.ndarray:
        """Distances [N, M] to the images of `other` by Eq. 9 (or by one compared embedding alone), never re-ranked;
        infinite where no compared embedding is visible in both images. Raises UserError where `other` is of another
        model."""
        return self._between(other, part).matrix()

    def search(self, gallery: "Features", top: int = 10, among: np.ndarray | None = None) -> Hits:
        """The `top` nearest images of `gallery` for each of these; of equals, the one earlier in the gallery.

        A matching with `rerank` re-ranks all of these in the whole gallery, as the evaluation does. `among` [N, c] are
        the only ones to be compared with each, by their numbers. Raises UserError where these would be re-ranked.
        """
        matching = self.pack.matching
        if among is None:
            nearest = Nearest(len(self), min(top, len(gallery)))
            distances_of(*self._sides(gallery, matching), matching).stream(nearest.add, None)
            images, distances = nearest.images, nearest.distances
        elif matching.rerank is not None:
            raise UserError(
                f"{self.pack.name}: its matching re-ranks (matchings.*.rerank), which takes the whole gallery, not "
                "candidates of an index; leave out --index, or make the pack again with another models.*.matching"
            )
        else:
            queries = np.repeat(np.arange(len(self)), among.shape[1])
            distances = self._between(gallery).pairs(queries, among.ravel()).reshape(among.shape)
            order = np.lexsort((among, distances))[:, :top]
            images, distances = (np.take_along_axis(values, order, axis=1) for values in (among, distances))
        calibration = self.pack.calibration
        likely = None if calibration is None else probabilities(calibration, distances)
        return Hits(self.names, gallery.names, images, distances, likely)

    def tracks(self, ids: Sequence[Hashable]) -> "Features":
        """One row a track, in the order in which tracks begin: the mean of each embedding over the track's images.

        `ids` [N] says whose each image is; `names` become these. An image weighs by how strongly it shows an embedding
        (`scores`), and not at all where it does not, unless no image of the track does. A track shows what any of its
        images shows, as strongly as the one that shows it best. Raises ValueError for another number of ids.
        """
        if len(ids) != len(self):
            raise ValueError(f"{len(ids)} ids for {len(self)} images; give one an image")
        numbers = {one: number for number, one in enumerate(dict.fromkeys(ids))}
        track, images = np.array([numbers[one] for one in ids], int), np.ones((len(self), 1, 1, 1), np.float32)

        def over_tracks(operation: np.ufunc, values: np.ndarray) -> np.ndarray:
            result = np.zeros((len(numbers), *values.shape[1:]), values.dtype)
            operation.at(result, track, values)
            return result

        visible = over_tracks(np.logical_or, self.visible)
        used = self.visible | ~visible[track]
        weights = np.where(used, np.maximum(self.scores, 1e-6), 0)[:, :, None]
        attention = over_tracks(np.add, self.attention.astype(np.float32)) / over_tracks(np.add, images)
        return replace(
            self,
            names=[str(one) for one in numbers],
            embeddings=over_tracks(np.add, self.embeddings * weights) / over_tracks(np.add, weights),
            visible=visible,
            scores=over_tracks(np.maximum, np.where(used, self.scores, 0)),
            attention=attention.round().astype(np.uint8),
        )

    def flat(self) -> np.ndarray:
        """One vector [N, P x D] of unit length an image, for tools that know no parts.

        The inner product of two is the mean cosine of the mutually visible embeddings times the share of what both
        show: the geometric mean of its shares of what each shows. An approximation of Eq. 9; docs/use.md says what it
        loses in a ranking (benchmarks/features.py).
        """
        vectors, _ = self.weighted()
        return normalised(vectors.reshape(len(self), vectors.shape[1] * vectors.shape[2])).astype(np.float32)

    def weighted(self) -> tuple[np.ndarray, np.ndarray]:
        """The compared embeddings [N, P, D], each of the length of its visibility, and these visibilities [N, P].

        Inner products of the former are sums of cosines over what both show, of the latter how much both show.
        """
        sides = [normalised(self._side(columns)) for columns in self.columns.values()]
        weights = compared(_Split(self), self.pack.matching, self.embedding_names).weights
        return np.stack(sides, axis=1) * weights[:, :, None], weights

    def _side(self, columns: list[int]) -> np.ndarray:
        return self.embeddings[:, columns].reshape(len(self), len(columns) * self.embeddings.shape[-1])

    def _between(self, other: "Features", part: str | None = None) -> PartDistances:
        matching, names = self.pack.matching, self.embedding_names
        if part is not None:
            known = separated(matching, names)
            single = next((one for name, one in known.items() if name.rpartition("/")[2] == part), None)
            if single is None:
                raise UserError(f"{part!r} is not one of the compared embeddings, {', '.join(self.compared)}")
            matching = single
        return PartDistances(*self._sides(other, matching))

    def _sides(self, other: "Features", matching: Matching) -> tuple[Compared, Compared]:
        """What a matching compares of both. Raises UserError where `other` is of another model."""
        if not self.pack.embeds_as(other.pack):
            raise UserError(f"features of {self.pack.name} and {other.pack.name} differ; embed both by one model")
        own, theirs = (compared(_Split(side), matching, self.embedding_names) for side in (self, other))
        return own, theirs


def joined(parts: Sequence[Features]) -> Features:
    """Several batches or folders of one model as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("embeddings", "visible", "scores", "attention")
    }
    failed = {name: why for part in parts for name, why in part.failed.items()}
    return replace(first, names=[name for part in parts for name in part.names], failed=failed, **arrays)


class _Split:
    """Features in the form in which the evaluation reads a split of `embeddings.h5`."""

    path = "these images"

    def __init__(self, features: Features) -> None:
        self._of, self.visibility, self.score = features, features.visible, features.scores

    def __len__(self) -> int:
        return len(self._of)

    def key_of(self, index: int) -> str:
        return self._of.names[index]

    def features(self, columns: list[int], start: int = 0, stop: int | None = None) -> np.ndarray:
        rows = self._of.embeddings[start:stop]
        return np.ascontiguousarray(rows[:, columns].reshape(len(rows), len(columns) * rows.shape[-1]))
