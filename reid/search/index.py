"""An index of a large gallery: FAISS finds candidates by one vector an image, and Eq. 9 ranks these exactly.

Eq. 9 ranks by a mean over the c embeddings that two images both show, which no inner product gives: the sum S of their
cosines grows with c. But S / c > t wherever S - t c > 0, and that is an inner product: a gallery image's vector has its
`Features.weighted` embeddings and their visibilities next to each other, a query's has the latter times -t. So what is
about as near as t is found in the order of Eq. 9 (of unit vectors, squared); t is the mean cosine, or `level`, that few
pairs of the gallery exceed.

Few images are compared one by one; of more, each lies in one of about 2 sqrt(N) lists, around centroids of a sample,
with its numbers in fewer bits (CODES), and a query looks into the lists that are nearest to it. A gallery may have
several indices, each of some of its files: each gives candidates, and all are ranked together. So shards are indexed
apart, and one that is added changes no other. Indices that were `trained` as one can be merged to one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from artefacts.config import Section
from artefacts.extras import needed
from artefacts.progress import bar
from reid.checkpoints.pack_format import Pack
from reid.evaluation.matching import normalised
from reid.search.features import Features

ONE_BY_ONE = 20_000  # images up to which no lists are made
SAMPLE = 40  # vectors a list that centroids are made of; FAISS warns below 39
PROBED = 4  # a query looks into one of so many lists
BLOCK = 4096  # images whose vectors are in memory at once
RARE, LEVEL_SAMPLE = 0.01, 2000  # the share of pairs whose mean cosine is above the level, and the images it is of
SHARE = 0.25  # of visibilities in a gallery's vectors: so small that lists are of people, not of what is visible
EIGHT = 8  # numbers that a code of CODES["product"] stands for; lengths are multiples of it
CODES = {"scalar": "SQ8", "product": "PQ{}"}  # a byte for each number, or for EIGHT of them


class IndexedFile(Section):
    """A file of features: where it was, its `digest_of`, and how many images it holds."""

    path: str
    digest: str
    images: int


class Index(NamedTuple):
    """A FAISS index of the vectors of `files`, by `pack`, for mean cosines about `level`."""

    vectors: object  # faiss.Index
    pack: Pack
    level: float
    files: list[IndexedFile]

    def candidates(self, queries: Features, count: int) -> np.ndarray:
        """Numbers [Q, min(count, N)] of the indexed images whose vectors are nearest to those of each query."""
        faiss = needed("faiss", "faiss")
        wanted = vectors_of(replace(queries, pack=self.pack), -self.level / SHARE)
        count = min(count, self.vectors.ntotal)
        numbers, lists = self.vectors.search(wanted, count)[1], getattr(self.vectors, "nlist", 1)
        probed = max(1, lists // PROBED)
        while (numbers < 0).any() and probed < lists:  # these lists hold too few
            probed = min(2 * probed, lists)
            numbers = self.vectors.search(wanted, count, params=faiss.SearchParametersIVF(nprobe=probed))[1]
        return numbers


def built(
    galleries: Sequence[Features], files: Sequence[IndexedFile], lists: int | None = None, codes: str = "scalar"
) -> Index:
    """An index of the galleries, which these `files` hold; `lists` as the module says, unless given."""
    return with_images(trained(galleries, lists, codes), galleries, files)


def with_images(index: Index, galleries: Sequence[Features], files: Sequence[IndexedFile]) -> Index:
    """The index, which held none, with the images of the galleries; it is changed."""
    with bar(sum(map(len, galleries)), "indexing", "images") as progress:
        for gallery in galleries:
            for start in range(0, len(gallery), BLOCK):
                index.vectors.add(vectors_of(gallery[start : start + BLOCK], SHARE))
                progress.update(min(BLOCK, len(gallery) - start))
    return index._replace(files=list(files))


def trained(galleries: Sequence[Features], lists: int | None = None, codes: str = "scalar") -> Index:
    """An index for the galleries that holds no image yet."""
    faiss = needed("faiss", "faiss")
    total = sum(map(len, galleries))
    if lists is None:
        lists = 0 if total <= ONE_BY_ONE else round(2 * total**0.5)
    dimension = vectors_of(galleries[0][:1], SHARE).shape[1]
    kind = f"IVF{lists},{CODES[codes].format(dimension // EIGHT)}" if lists else "Flat"
    vectors = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    if lists:
        vectors.nprobe = max(1, lists // PROBED)
        vectors.cp.seed, vectors.cp.max_points_per_centroid = 0, SAMPLE
        vectors.train(_of_sample(galleries, min(total, SAMPLE * lists), lambda some: vectors_of(some, SHARE)))
    return Index(vectors, galleries[0].pack, _level(galleries), [])


def merged(indices: Sequence[Index]) -> Index:
    """One index of the images of all, in their order, trained as one; the first is changed."""
    first, *others = indices
    for other in others:
        numbered = first.vectors.ntotal if hasattr(first.vectors, "nlist") else 0  # without lists, by their order
        first.vectors.merge_from(other.vectors, numbered)
    return first._replace(files=[file for index in indices for file in index.files])


def vectors_of(features: Features, factor: float) -> np.ndarray:
    """Vectors of unit length of N images: their weighted embeddings, visibilities times `factor`, and zeros."""
    vectors, weights = features.weighted()
    flat = vectors.reshape(len(features), vectors.shape[1] * vectors.shape[2])
    whole = np.concatenate([flat, factor * weights], axis=1)
    padded = np.pad(whole, [(0, 0), (0, -whole.shape[1] % EIGHT)])
    return np.ascontiguousarray(normalised(padded), np.float32)


def _level(galleries: Sequence[Features]) -> float:
    """The mean cosine over what both show that a share RARE of the pairs of sampled images exceeds."""
    count = min(sum(map(len, galleries)), LEVEL_SAMPLE)
    vectors = _of_sample(galleries, count, lambda some: some.weighted()[0].reshape(len(some), -1))
    weights = _of_sample(galleries, count, lambda some: some.weighted()[1])
    pairs = np.triu_indices(count, 1)
    common = (weights @ weights.T)[pairs]
    cosines = (vectors @ vectors.T)[pairs][common > 0] / common[common > 0]
    return float(np.quantile(cosines, 1 - RARE)) if len(cosines) else 0.0


def _of_sample(galleries: Sequence[Features], count: int, made_of: Callable[[Features], np.ndarray]) -> np.ndarray:
    """What is made of so many images, always the same."""
    chosen = np.sort(np.random.default_rng(0).choice(sum(map(len, galleries)), count, replace=False))
    parts = []
    for gallery, start in zip(galleries, starts_of(galleries), strict=True):
        rows = chosen[slice(*np.searchsorted(chosen, [start, start + len(gallery)]))] - start
        parts += [made_of(gallery[rows[first : first + BLOCK]]) for first in range(0, len(rows), BLOCK)]
    return np.concatenate(parts)


def starts_of(galleries: Sequence[Features]) -> np.ndarray:
    """Number of the first image of each, counted through all."""
    return np.cumsum([0, *map(len, galleries)])[:-1]
