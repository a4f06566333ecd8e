"""ROC by counting against all thresholds, one after the other, over all pairs at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid.evaluation.ranking import Ranking, protocol
from reid.evaluation.roc import Roc
from reid.evaluation.tiles import as_it_is


def by_thresholds(positive, negative, rates):
    """Of each rate, the best share of positive pairs over every threshold that keeps to it."""
    best = np.zeros(len(rates))
    for threshold in np.unique(positive):
        false, true = (negative <= threshold).mean() if len(negative) else 0, (positive <= threshold).mean()
        best = np.where(false <= rates, np.maximum(best, true), best)
    return best


def curve(distances, who, width):
    """The ROC from blocks of so many columns, and its positive and negative distances."""
    pairs = protocol(*who)
    ranking = Ranking(pairs, distances[pairs.rows, pairs.columns])
    roc = Roc(ranking.distances)
    for start in range(0, distances.shape[1], width):
        tile = as_it_is(distances[:, start : start + width].copy(), start)
        ranking.add(tile)
        roc.add(tile)
    kind = np.zeros(distances.shape, int)
    kind[pairs.rows, pairs.columns] = 1
    kind[pairs.ignored_rows, pairs.ignored_columns] = 2
    return roc, distances[kind == 1], distances[kind == 0]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.sampled_from([1, 3, 40, 10**6]), st.floats(0, 0.3))
def test_the_curve_is_that_of_all_thresholds(seed, width, values, apart):
    """For few distances with many ties as for all different ones, some infinite."""
    rng = np.random.default_rng(seed)
    distances = (rng.integers(0, values, (8, 60)) / 7 + 3).astype(np.float32)
    distances[rng.random(distances.shape) < apart] = np.inf
    who = [rng.integers(low, high, size) for low, high, size in ((1, 5, 8), (0, 5, 60), (1, 4, 8), (1, 4, 60))]
    roc, positive, negative = curve(distances, who, width)
    rates = np.concatenate([[0, 1e-3, 0.5, 1], rng.random(20)])
    np.testing.assert_allclose(roc.accepted(rates), by_thresholds(positive, negative, rates), rtol=0, atol=1e-12)
    assert (roc.positives, roc.negatives) == (len(positive), len(negative))


def test_by_hand():
    """Positives at 1 and 3; negatives at 2, 3 and infinity; one pair of the query's own camera is ignored."""
    distances = np.array([[1, 3, 2, 3, np.inf, 0]], np.float32)
    who = [np.array(values) for values in ([1], [1, 1, 2, 0, 3, 1], [1], [2, 2, 1, 1, 1, 1])]
    roc, _, _ = curve(distances, who, 6)
    np.testing.assert_allclose(roc.accepted(np.array([0, 0.3, 0.34, 0.7, 1])), [0.5, 0.5, 0.5, 1, 1])
    summary = roc.summary()
    assert summary["tpr_at_fpr"] == {"1e-05": 0.5, "0.0001": 0.5, "0.001": 0.5, "0.01": 0.5, "0.1": 0.5}
    assert summary["roc"]["fpr"][0] == pytest.approx(1e-6)
    assert (summary["roc"]["fpr"][-1], summary["roc"]["tpr"][-1]) == (1, 1)
    assert (summary["positive_pairs"], summary["negative_pairs"]) == (2, 3)


def test_without_a_negative_pair_everything_is_accepted():
    roc, _, _ = curve(np.array([[2.0, np.inf]], np.float32), [np.array(v) for v in ([1], [1, 1], [1], [2, 2])], 1)
    assert roc.accepted(np.array([0.0])).tolist() == [1.0]
