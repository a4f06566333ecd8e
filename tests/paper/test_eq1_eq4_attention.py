"""Eq. 1 (attention), Section 3.2.1 (foreground), Eq. 4 (visibility), each against a loop over cells."""

import math

import pytest
import torch

from reid.model.appearance import AppearanceMap
from reid.model.attention import PartClassifier, attention_maps, foreground_map, visible_above, visible_by_argmax


@pytest.fixture
def features():
    return torch.randn(3, 7, 4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.double)


@pytest.fixture
def attention(features):
    return attention_maps(PartClassifier(7, parts=5).double()(AppearanceMap([features * 400])))


def test_eq1_is_a_softmax_of_products_at_each_cell(features):
    classifier = PartClassifier(7, parts=5).double()
    torch.nn.init.normal_(classifier.weight)
    maps = attention_maps(classifier(AppearanceMap([features])))
    weights = classifier.weight
    for n in range(3):
        for row in range(4):
            for column in range(2):
                scores = [sum(weights[k, c] * features[n, c, row, column] for c in range(7)).item() for k in range(6)]
                total = sum(math.exp(score) for score in scores)
                for k in range(6):
                    assert maps[n, k, row, column].item() == pytest.approx(math.exp(scores[k]) / total, rel=1e-9)


def test_the_classifier_has_no_bias_and_background_first():
    classifier = PartClassifier(7, parts=5)
    assert classifier.bias is None
    assert classifier.out_features == 6


def test_foreground_is_the_strongest_part(attention):
    foreground = foreground_map(attention)
    for n in range(3):
        for row in range(4):
            for column in range(2):
                assert foreground[n, row, column] == max(attention[n, k, row, column] for k in range(1, 6))


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.9])
def test_eq4_asks_for_one_cell_above_the_threshold(attention, threshold):
    visible = visible_above(attention, threshold)
    assert visible.shape == (3, 5)
    for n in range(3):
        for k in range(1, 6):
            expected = any(attention[n, k, row, column] > threshold for row in range(4) for column in range(2))
            assert bool(visible[n, k - 1]) == expected


def test_eq4_is_strict_at_the_threshold():
    attention = torch.tensor([0.6, 0.4]).view(1, 2, 1, 1)
    assert not visible_above(attention, attention[0, 1, 0, 0].item()).item()


def test_argmax_rule_asks_for_one_cell_won(attention):
    visible = visible_by_argmax(attention)
    for n in range(3):
        winners = {int(attention[n, :, row, column].argmax()) for row in range(4) for column in range(2)}
        assert [bool(value) for value in visible[n]] == [k in winners for k in range(1, 6)]
    assert visible.any()
    assert not visible.all()
