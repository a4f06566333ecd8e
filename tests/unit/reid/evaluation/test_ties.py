"""Copies of an image are exactly as near as it, wherever they stand: ranks against a slow loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid.config.root import Matching
from reid.embeddings.store import Split
from reid.evaluation import distance
from reid.evaluation.retrieval import retrieve
from reid.evaluation.tiles import Compute
from tests.embeddings import CELLS, NAMES, held

COLUMNS = {"global": [0], "parts": [2, 3, 4], "foreground+parts": [1, 2, 3, 4]}
BOTH = Matching(embeddings=["foreground", "parts"], visibility=True)


def split(features, visible, identity, camera):
    """Images whose embeddings are `features` [N, 5, D], with `visible` [N, 3] parts."""
    images = len(features)
    seen = np.concatenate([np.ones((images, 2), bool), visible], axis=1)
    attention = np.zeros((images, len(NAMES) - 1, *CELLS), np.uint8)
    keys = [f"{number:04d}.jpg" for number in range(images)]
    return Split(keys, features.astype(np.float32), seen, seen.astype(np.float32), identity, camera, attention)


def average_precisions(query, gallery, compared):
    """By the formula in float64, sorted stably; None where distances that are not of copies are too close to tell."""
    found = []
    for features, visible, identity in zip(query.features, query.visibility, query.identity, strict=True):
        distances = []
        for other, seen in zip(gallery.features, gallery.visibility, strict=True):
            apart = [math.dist(features[p], other[p]) for p in compared if visible[p] and seen[p]]
            distances.append(sum(apart) / len(apart) if apart else math.inf)
        known = np.unique(np.array(distances)[np.isfinite(distances)])
        if (np.diff(known) < 1e-5 * known[1:]).any():
            return None
        right = (gallery.identity == identity)[np.argsort(distances, kind="stable")]
        ranks = np.flatnonzero(right) + 1
        found.append(np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else np.nan)
    return found


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 3),
    dimension=st.sampled_from([1, 2, 3, 17, 64, 300]),
    shift=st.sampled_from([0.0, 1.0, 30.0]),
    embeddings=st.sampled_from(list(COLUMNS)),
)
def test_ranks_with_copies_are_those_of_a_slow_loop(seed, queries, dimension, shift, embeddings):
    """Copies of whole images and of single embeddings, of other identities, in several tiles; `shift` takes away digits
    of the differences."""
    rng = np.random.default_rng(seed)
    own, images = rng.normal(size=(6, 5, dimension)), 14
    chosen = np.where(rng.random((images, 1)) < 0.5, *(rng.integers(0, 6, (images, columns)) for columns in (1, 5)))
    shown, identities = rng.random((6, 3)) < 0.6, rng.integers(1, 3, images)
    gallery = split(shift + own[chosen, np.arange(5)], shown[chosen[:, 2]], identities, np.full(images, 2))
    features, shown = shift + rng.normal(size=(queries, 5, dimension)), rng.random((queries, 3)) < 0.7
    query = split(features, shown, identities[:queries], np.ones(queries, int))
    expected = average_precisions(query, gallery, COLUMNS[embeddings])
    if expected is None:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "WIDTH", 5)
        found = retrieve(held(query, gallery), Matching(embeddings=embeddings.split("+"), visibility=True))
    np.testing.assert_allclose(found.measures.average_precision, expected, atol=1e-12)


def test_a_copy_earlier_in_the_gallery_is_ahead():
    """One query, two identical vectors of two numbers, the first of another person: AP 1/2."""
    query, image = (np.full((1, 5, 2), numbers) for numbers in ([-0.3, 0.3], [-1.3, 0.8]))
    gallery = split(image.repeat(2, 0), np.ones((2, 3), bool), np.array([2, 1]), np.array([2, 2]))
    query = split(query, np.ones((1, 3), bool), np.array([1]), np.array([1]))
    found = retrieve(held(query, gallery), Matching(embeddings=["foreground"], visibility=True), keep=2)
    assert found.measures.summary()["mAP"] == 0.5
    assert found.nearest.tolist() == [[0, 1]]


def test_copies_among_many_images_of_512_numbers():
    """Each of 40 images of other people has its copy, of the person sought, somewhere behind it: ranks 2, 4, …, 80."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5, 512)) * np.linspace(1, 3, 40)[:, None, None]  # far from each other's distances
    order, visible = np.concatenate([np.arange(40), rng.permutation(40)]), np.ones((80, 3), bool)
    gallery = split(features[order], visible, np.repeat([2, 1], 40), np.full(80, 2))
    query = split(rng.normal(size=(70, 5, 512)), visible[:70], np.ones(70, int), np.ones(70, int))
    found = retrieve(held(query, gallery), BOTH, keep=80, compute=Compute(threads=2))
    np.testing.assert_array_equal(found.measures.average_precision, 0.5)
    assert (order[found.nearest[:, ::2]] == order[found.nearest[:, 1::2]]).all()
    assert (found.nearest[:, ::2] < 40).all()
