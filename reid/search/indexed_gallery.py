"""A gallery in files of features that is searched by its indices: candidates by flat vectors, ranked by Eq. 9."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from artefacts.errors import UserError
from reid.checkpoints.pack_format import Pack
from reid.search.feature_file import digest_of
from reid.search.features import Features, Hits, joined
from reid.search.index import Index, starts_of
from reid.search.index_file import again

QUERIES = 256  # whose candidates are in memory at once


class IndexedGallery:
    """Features by their files, in the gallery's order, and the indices by theirs, which know each of these once.

    Raises UserError where they do not belong together.
    """

    def __init__(self, galleries: Mapping[Path, Features], indices: Mapping[Path, Index]) -> None:
        self._galleries, self._starts = list(galleries.values()), starts_of(list(galleries.values()))
        self._indices = list(indices.values())
        files = {digest_of(path): (path, start) for path, start in zip(galleries, self._starts, strict=True)}
        if len(files) < len(galleries):
            raise UserError("--gallery: names the same features twice; name each file once")
        known: dict[str, Path] = {}
        self._numbers = [_numbers(path, index, files, known) for path, index in indices.items()]
        for digest, (path, _) in files.items():
            if digest not in known:
                raise UserError(f"{path}: is in no --index; build one and name it too: {again([path])}")

    def search(self, queries: Features, top: int, count: int) -> tuple[Features, Hits]:
        """The `top` nearest of the `count` candidates that each index has for each query: the features of all images
        that are found, and their numbers among these."""
        starts = range(0, len(queries), QUERIES)
        found = [self._batch(queries[start : start + QUERIES], top, count) for start in starts]
        images, distances = (
            np.concatenate([getattr(hits, name) for hits in found]) for name in ("images", "distances")
        )
        calibrated = found[0].probabilities is not None
        taken, places = np.unique(images, return_inverse=True)
        gallery = self._taken(taken, queries.pack)
        likely = np.concatenate([hits.probabilities for hits in found]) if calibrated else None
        return gallery, Hits(queries.names, gallery.names, places.reshape(images.shape), distances, likely)

    def _batch(self, queries: Features, top: int, count: int) -> Hits:
        """Hits by their numbers in the whole gallery."""
        each = [index.candidates(queries, count) for index in self._indices]
        among = np.concatenate([own[rows] for own, rows in zip(self._numbers, each, strict=True)], axis=1)
        taken, places = np.unique(among, return_inverse=True)
        found = queries.search(self._taken(taken, queries.pack), top, places.reshape(among.shape))
        return replace(found, images=taken[found.images])

    def _taken(self, numbers: np.ndarray, pack: Pack) -> Features:
        """The features of these images, whose numbers rise, compared as `pack` says."""
        parts = []
        for gallery, start in zip(self._galleries, self._starts, strict=True):
            first, last = np.searchsorted(numbers, [start, start + len(gallery)])
            parts.append(replace(gallery[numbers[first:last] - start], pack=pack))
        return joined(parts)


def _numbers(path: Path, index: Index, files: Mapping[str, tuple[Path, int]], known: dict[str, Path]) -> np.ndarray:
    """Number in the gallery of each image of an index; its files become `known`."""
    numbers = []
    for file in index.files:
        if file.digest not in files:
            raise UserError(
                f"{path}: was built of {file.path}, which has changed since or is not in --gallery; name it there, "
                f"or build the index again: {again([one.path for one in index.files])}"
            )
        if file.digest in known:
            raise UserError(f"{path}: has the images of {file.path}, as {known[file.digest]} has; name one of them")
        known[file.digest] = path
        numbers.append(files[file.digest][1] + np.arange(file.images))
    return np.concatenate(numbers)
