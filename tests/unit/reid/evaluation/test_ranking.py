"""Counted ranks against a stable sort, and corner cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from artefacts.errors import UserError
from reid.evaluation.ranking import Measures, Ranking, measures, precisions, protocol, ranked
from reid.evaluation.tiles import as_it_is

ROUGH = st.sampled_from([0.0, 0.5, 1.0, 1.5, np.inf])  # few values, so that ties abound


def by_sorting(distances, query_identity, gallery_identity, query_camera, gallery_camera, keep):
    """Per query: average precision, first rank, positives / last rank, and the first `keep` images."""
    found = []
    for row, identity, camera in zip(distances, query_identity, query_camera, strict=True):
        order = np.argsort(row, kind="stable")
        same = (gallery_identity == identity) & (identity > 0)
        order = order[~(same & (gallery_camera == camera))[order]]
        right = same[order]
        ranks = np.flatnonzero(right) + 1
        precisions = [np.sum(right[:rank]) / rank for rank in ranks]
        worth = (np.mean(precisions), ranks[0], len(ranks) / ranks[-1]) if len(ranks) else (np.nan,) * 3
        found.append((*worth, [*order[:keep], *[-1] * (keep - len(order))]))
    return found


@st.composite
def searches(draw):
    """Distances [Q, G] with ties and infinities, identities 0 to 3 and cameras 1 to 2 of both sides."""
    queries, images = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    distances = draw(arrays.arrays(np.float32, (queries, images), elements=ROUGH))
    number = {"identity": st.integers(0, 3), "camera": st.integers(1, 2)}
    columns = [
        draw(arrays.arrays(np.int64, size, elements=number[kind])) for kind in number for size in (queries, images)
    ]
    return distances, *columns


@settings(deadline=None, max_examples=300)
@given(searches(), st.integers(1, 13), st.integers(1, 5))
def test_counting_is_sorting(search, width, keep):
    """For any division of the gallery into blocks."""
    distances, *who = search
    expected = by_sorting(*search, keep)
    if all(np.isnan(row[0]) for row in expected):
        with pytest.raises(UserError):
            protocol(*who)
        return
    pairs = protocol(*who)
    ranking = Ranking(pairs, distances[pairs.rows, pairs.columns], keep)
    for start in range(0, distances.shape[1], width):
        ranking.add(as_it_is(distances[:, start : start + width].copy(), start))
    got = measures(pairs.offsets, ranking.ranks)
    for query, (precision, first, penalty, nearest) in enumerate(expected):
        assert got.average_precision[query] == pytest.approx(precision, abs=1e-12, nan_ok=True)
        assert got.first[query] == pytest.approx(first, nan_ok=True)
        assert got.inverse_penalty[query] == pytest.approx(penalty, abs=1e-12, nan_ok=True)
        assert ranking.nearest.images[query].tolist() == nearest
        kept = [distances[query, image] if image >= 0 else np.nan for image in nearest]
        np.testing.assert_array_equal(ranking.nearest.distances[query], kept)


def test_a_larger_search_is_sorting():
    rng = np.random.default_rng(0)
    distances = rng.integers(0, 500, (40, 3000)).astype(np.float32)
    who = rng.integers(1, 30, 40), rng.integers(0, 30, 3000), rng.integers(1, 4, 40), rng.integers(1, 4, 3000)
    pairs, before = protocol(*who), distances.copy()
    got = measures(pairs.offsets, ranked(distances, pairs).ranks)
    expected = np.array([row[:3] for row in by_sorting(distances, *who, 0)])
    np.testing.assert_allclose([got.average_precision, got.first, got.inverse_penalty], expected.T, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(distances, before)


def test_measures_by_hand():
    """Positives at ranks 1 and 3: AP (1 + 2/3) / 2, penalty 2/3. At rank 4 alone: AP 1/4. None: not measured."""
    got = measures(np.array([0, 2, 3, 3]), np.array([3, 1, 4]))
    np.testing.assert_allclose(got.average_precision, [5 / 6, 1 / 4, np.nan])
    assert got.summary() == pytest.approx(
        {"mAP": 13 / 24, "rank-1": 0.5, "rank-5": 1, "rank-10": 1, "rank-20": 1, "mINP": (2 / 3 + 1 / 4) / 2}
    )
    np.testing.assert_array_equal(got.first, [1, 4, np.nan])
    np.testing.assert_array_equal(got.cmc(5), [0.5, 0.5, 0.5, 1, 1])
    assert got.measured.tolist() == [True, True, False]


def test_precisions_stand_where_their_positives_do():
    """Query 0 finds its second positive first, at rank 1, and its first at rank 3; query 2 has one at rank 4."""
    np.testing.assert_allclose(precisions(np.array([0, 2, 2, 3]), np.array([3, 1, 4])), [2 / 3, 1, 1 / 4])


def test_measures_of_some_queries():
    got = Measures(np.array([1.0, 0.5, np.nan]), np.array([1.0, 2, np.nan]), np.array([1.0, 0.5, np.nan]))
    assert got.of(np.array([False, True, True])).summary()["mAP"] == 0.5


def test_the_same_camera_is_left_out_and_distractors_stay():
    """Identity 1 on camera 1: its own camera's image and not the distractor is passed over."""
    pairs = protocol(np.array([1]), np.array([1, 0, 1]), np.array([1]), np.array([1, 1, 2]))
    assert pairs.columns.tolist() == [2]
    assert pairs.ignored_columns.tolist() == [0]
    assert ranked(np.array([[0.0, 1.0, 2.0]], np.float32), pairs).ranks.tolist() == [2]


@pytest.mark.parametrize(
    ("gallery_identity", "gallery_camera", "message"),
    [
        ([5, 6], [1, 2], r"no query identity \(1, …\) is among the gallery's \(5, …\)"),
        ([1, 6], [1, 2], "the query's own camera"),
        ([], [], "no query or no gallery image"),
    ],
)
def test_a_search_that_can_find_nothing_is_an_error_that_says_why(gallery_identity, gallery_camera, message):
    with pytest.raises(UserError, match=message):
        protocol(np.array([1]), np.array(gallery_identity, int), np.array([1]), np.array(gallery_camera, int))
