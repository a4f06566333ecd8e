"""Thresholds and probabilities against all pairs at once, and against people whose probability is known."""

import numpy as np
import pytest

from reid.evaluation.calibration import CELLS, EXPECTED, FALSE_MATCH_RATES, PairCounts, halves, probability
from reid.evaluation.ranking import Ranking, protocol
from reid.evaluation.tiles import as_it_is


def counted(distances, who, width):
    """Pairs counted from blocks of so many columns; 1 marks positive pairs, 2 ignored ones."""
    pairs = protocol(*who)
    ranking = Ranking(pairs, distances[pairs.rows, pairs.columns])
    counts = PairCounts(pairs, ranking.distances, who[0], who[1])
    for start in range(0, distances.shape[1], width):
        tile = as_it_is(distances[:, start : start + width].copy(), start)
        ranking.add(tile)
        counts.add(tile)
    kind = np.zeros(distances.shape, int)
    kind[pairs.rows, pairs.columns] = 1
    kind[pairs.ignored_rows, pairs.ignored_columns] = 2
    return counts, kind


@pytest.fixture(scope="module")
def people():
    """200 queries by 700 images of 60 people and distractors: N(2, 0.5) apart if one person, else N(4, 0.5)."""
    rng = np.random.default_rng(0)
    gallery = np.concatenate([rng.integers(1, 61, 600), np.zeros(100, int)])
    who = [np.repeat(np.arange(1, 51), 4), gallery, rng.integers(1, 4, 200), rng.integers(1, 4, 700)]
    apart = np.where(who[0][:, None] == gallery, 2, 4)
    distances = np.abs(rng.normal(apart, 0.5)).astype(np.float32)
    distances[rng.random(distances.shape) < 0.01] = np.inf
    return distances, who


@pytest.mark.parametrize("width", [64, 700])
def test_every_pair_is_counted_once_in_its_half(people, width):
    distances, who = people
    counts, kind = counted(distances, who, width)
    rows, columns = halves(who[0], who[1])
    line = np.where(rows[:, None] == columns, rows[:, None], 2)
    for number in range(3):
        assert counts.positives[number].sum() == ((kind == 1) & (line == number)).sum()
        assert counts.negatives[number].sum() == ((kind == 0) & (line == number)).sum()
    assert not counts.positives[2].any()  # two images of an identity are never in different halves
    assert {len(set(rows[who[0] == one]) | set(columns[who[1] == one])) for one in range(1, 51)} == {1}


def test_a_threshold_keeps_to_its_false_match_rate_and_is_the_largest(people):
    distances, who = people
    counts, kind = counted(distances, who, 128)
    negative, cell = distances[kind == 0], distances[(kind == 1) & np.isfinite(distances)].max() / CELLS
    found = counts.thresholds()
    for name, rate in FALSE_MATCH_RATES.items():
        assert len(negative) * rate >= EXPECTED
        assert (negative <= found[name]).mean() <= rate
        assert (negative <= found[name] + 2 * cell).mean() > rate - 2 / len(negative)
    assert found["1e-4"] < found["1e-3"] < found["1e-2"]


def test_too_few_pairs_have_no_threshold(people):
    """At 1e-4, ten false matches take 100,000 pairs of different people."""
    distances, who = people
    counts, kind = counted(distances[:140], [who[0][:140], who[1], who[2][:140], who[3]], 128)
    assert (kind == 0).sum() < EXPECTED / 1e-4
    assert {name: limit is None for name, limit in counts.thresholds().items()} == {
        "1e-2": False,
        "1e-3": False,
        "1e-4": True,
    }


def test_the_probability_is_the_share_of_the_same_person(people):
    distances, who = people
    told = counted(distances, who, 700)[0].calibration()
    assert told["probabilities"] == sorted(told["probabilities"], reverse=True)
    assert len(told["distances"]) <= 24
    at = np.linspace(2.4, 3.6, 7)
    true = 1 / (1 + np.exp((at - 3) * 2 / 0.5**2))  # of two normal densities
    np.testing.assert_allclose(np.interp(at, told["distances"], told["probabilities"]), true, atol=0.12)


def test_reliability_is_of_the_other_half_of_the_identities(people):
    distances, who = people
    good = counted(distances, who, 700)[0].reliability()
    assert good["error"] < 0.03
    far = distances.copy()
    rows, columns = halves(who[0], who[1])
    far[(rows[:, None] == 1) & (columns == 1)] += 1  # the held-out half has other distances than what was fitted
    shifted = counted(far, who, 700)[0].reliability()
    assert shifted["error"] > 0.2
    assert all(point["observed"] >= point["predicted"] - 0.05 for point in shifted["curve"])


def test_probability_by_hand():
    same, other = np.array([6, 2, 0, 0]), np.array([0, 0, 2, 6])
    distances, likely = probability(same, other, np.array([1.0, 2.0, 3.0, 4.0]))
    assert (distances[0], distances[-1]) == (1, 4)
    expected = 6.5 / (8 + 0.5 * 4)  # half a pair is added to each of the four bins
    assert likely[0] == pytest.approx(expected / (expected + 0.5 / 10))
    assert 0 < likely[-1] < 0.1
    assert probability(same, np.zeros(4, int), np.arange(4.0)) is None
