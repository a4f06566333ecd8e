"""CMC of CUHK03 against galleries written out and sorted, one after the other."""

import json

import numpy as np
import pytest

from reid.config.report import SingleShot
from reid.config.root import Matching
from reid.embeddings.store import reading
from reid.evaluation.ranking import Ranking, measures, protocol, ranked
from reid.evaluation.retrieval import report
from reid.evaluation.single_shot import SingleShotRanking, drawn
from reid.evaluation.tiles import as_it_is
from tests.embeddings import fabricate, write

MANY = SingleShot(repetitions=30, seed=5)


def search(seed, values=40, queries=9, images=70):
    """Rough distances [Q, G], so that ties abound, and who is who, distractors included."""
    rng = np.random.default_rng(seed)
    sizes = ((1, 7, queries), (0, 8, images), (1, 3, queries), (1, 3, images))
    return rng.integers(0, values, (queries, images)).astype(np.float32), [rng.integers(*one) for one in sizes]


def counted(distances, who, settings, width):
    pairs = protocol(*who)
    ranking = Ranking(pairs, distances[pairs.rows, pairs.columns])
    shots = SingleShotRanking(pairs, ranking.distances, who[0], who[1], settings)
    for start in range(0, distances.shape[1], width):
        tile = as_it_is(distances[:, start : start + width].copy(), start)
        ranking.add(tile)
        shots.add(tile)
    return pairs, shots


def by_sorting(distances, who, pairs, settings):
    """Ranks [Q, R] in galleries of what is drawn, in the same order, with the query's own positive among them."""
    query_identity, identity = who[:2]
    rng = np.random.default_rng(settings.seed)
    galleries = drawn(identity, settings.repetitions, rng)
    choice = rng.integers(0, np.maximum(pairs.positives, 1)[:, None], (len(query_identity), settings.repetitions))
    ranks = []
    for query in np.flatnonzero(pairs.positives):
        positives = pairs.columns[pairs.rows == query]
        for repetition, gallery in enumerate(galleries):
            sought = positives[choice[query, repetition]]
            others = [image for image in gallery if identity[image] != query_identity[query]]
            gathered = np.sort([*others, sought])
            order = gathered[np.argsort(distances[query, gathered], kind="stable")]
            ranks.append(order.tolist().index(sought) + 1)
    return np.reshape(ranks, (-1, settings.repetitions))


@pytest.mark.parametrize(("seed", "width"), [(0, 1), (1, 13), (2, 70)])
def test_ranks_are_those_in_the_galleries_drawn(seed, width):
    distances, who = search(seed)
    pairs, shots = counted(distances, who, MANY, width)
    expected = by_sorting(distances, who, pairs, MANY)
    np.testing.assert_array_equal(shots.ranks, expected)
    np.testing.assert_allclose(shots.cmc(4), [(expected <= rank).mean() for rank in (1, 2, 3, 4)], atol=1e-12)


def test_a_gallery_has_one_image_of_each_identity_and_every_distractor():
    identity = np.array([3, 0, 3, 5, 0, 3, 9])
    galleries = drawn(identity, 200, np.random.default_rng(0))
    assert {tuple(np.sort(identity[gallery])) for gallery in galleries} == {(0, 0, 3, 5, 9)}
    counts = np.bincount(galleries.ravel(), minlength=7)
    assert counts[[1, 3, 4, 6]].tolist() == [200] * 4
    assert counts[[0, 2, 5]].min() > 40


def test_with_one_image_an_identity_it_is_the_whole_gallery():
    distances, who = search(3)
    who[1] = np.arange(1, 71)
    who[2], who[3] = np.ones(9, int), np.full(70, 2)
    pairs, shots = counted(distances, who, MANY, 20)
    expected = measures(pairs.offsets, ranked(distances, pairs).ranks)
    np.testing.assert_array_equal(shots.ranks, np.repeat(expected.first[:, None], 30, axis=1))
    np.testing.assert_allclose(shots.cmc(), expected.cmc(), atol=1e-12)


def test_the_report_has_its_rank_k_and_the_whole_gallery_s_map(tmp_path):
    plain = Matching(embeddings=["foreground", "parts"], visibility=True)
    once = plain.model_copy(update={"single_shot": MANY})
    with reading(write(tmp_path / "e.h5", fabricate(1, 20, noise=3), fabricate(2, 90, noise=3))) as file:
        whole, single, again = (report(file, matching) for matching in (plain, once, once))
    assert json.dumps(single) == json.dumps(again)
    assert single["measures"]["mAP"] == whole["measures"]["mAP"]
    assert single["measures"]["rank-1"] == single["cmc"][0] != whole["cmc"][0]
    assert single["measures"]["rank-20"] == single["cmc"][19]
