"""An index of a large gallery: FAISS finds candidates by their flat vectors, and Eq. 9 ranks these exactly.

The vectors are those of `Features.flat`. Few are compared one by one; of more, each lies in one of about 4 sqrt(N)
lists, around centroids of a sample, in eight bits a number, and a query looks into the lists that are nearest to it.
A gallery may have several indices, each of some of its files: each gives candidates, and all are ranked together. So
shards are indexed apart, and one that is added changes no other.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from artefacts.config import Section
from artefacts.extras import needed
from artefacts.progress import bar
from reid.checkpoints.pack_format import Pack
from reid.search.features import Features

ONE_BY_ONE = 20_000  # images up to which no lists are made
SAMPLE = 40  # vectors a list that centroids are made of; FAISS warns below 39
PROBED = 16  # a query looks into one of so many lists
BLOCK = 4096  # images whose vectors are in memory at once


class IndexedFile(Section):
    """A file of features: where it was, its `digest_of`, and how many images it holds."""

    path: str
    digest: str
    images: int


class Index(NamedTuple):
    """A FAISS index of the vectors of `files`, by `pack`."""

    vectors: object  # faiss.Index
    pack: Pack
    files: list[IndexedFile]

    def candidates(self, queries: Features, count: int) -> np.ndarray:
        """Numbers [Q, min(count, N)] of the indexed images whose vectors are nearest to those of each query."""
        faiss = needed("faiss", "faiss")
        wanted, count = replace(queries, pack=self.pack).flat(), min(count, self.vectors.ntotal)
        numbers, lists = self.vectors.search(wanted, count)[1], getattr(self.vectors, "nlist", 1)
        probed = max(1, lists // PROBED)
        while (numbers < 0).any() and probed < lists:  # these lists hold too few
            probed = min(2 * probed, lists)
            numbers = self.vectors.search(wanted, count, params=faiss.SearchParametersIVF(nprobe=probed))[1]
        return numbers


def built(galleries: Sequence[Features], files: Sequence[IndexedFile], lists: int | None = None) -> Index:
    """An index of the galleries, which these `files` hold; `lists` as the module says, unless given."""
    faiss = needed("faiss", "faiss")
    pack, total = galleries[0].pack, sum(map(len, galleries))
    if lists is None:
        lists = 0 if total <= ONE_BY_ONE else round(4 * total**0.5)
    dimension = _vectors(galleries[0], slice(0, 1)).shape[1]
    vectors = faiss.index_factory(dimension, f"IVF{lists},SQ8" if lists else "Flat", faiss.METRIC_INNER_PRODUCT)
    if lists:
        vectors.nprobe = max(1, lists // PROBED)
        vectors.cp.seed, vectors.cp.max_points_per_centroid = 0, SAMPLE
        vectors.train(_sample(galleries, min(total, SAMPLE * lists)))
    with bar(total, "indexing", "images") as progress:
        for gallery in galleries:
            for start in range(0, len(gallery), BLOCK):
                vectors.add(_vectors(gallery, slice(start, start + BLOCK)))
                progress.update(min(BLOCK, len(gallery) - start))
    return Index(vectors, pack, list(files))


def _sample(galleries: Sequence[Features], count: int) -> np.ndarray:
    """Vectors of so many images, always the same."""
    chosen = np.sort(np.random.default_rng(0).choice(sum(map(len, galleries)), count, replace=False))
    starts = starts_of(galleries)
    parts = []
    for gallery, start in zip(galleries, starts, strict=True):
        rows = chosen[slice(*np.searchsorted(chosen, [start, start + len(gallery)]))] - start
        parts += [_vectors(gallery, rows[first : first + BLOCK]) for first in range(0, len(rows), BLOCK)]
    return np.concatenate(parts)


def starts_of(galleries: Sequence[Features]) -> np.ndarray:
    """Number of the first image of each, counted through all."""
    return np.cumsum([0, *map(len, galleries)])[:-1]


def _vectors(features: Features, images: slice | np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(features[images].flat())
