"""Eq. 2: the body part attention loss, against a loop over images, cells and classes."""

import math

import pytest
import torch

from parsing.schemes import UNKNOWN
from reid.losses.attention import body_part_attention_loss, mean_body_part_attention_loss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(4, 6, 5, 3, generator=generator, dtype=torch.double)
    labels = torch.randint(0, 6, (4, 5, 3), generator=generator)
    return scores, labels


def log_softmax(scores, n, k, row, column):
    total = sum(math.exp(scores[n, j, row, column]) for j in range(scores.shape[1]))
    return scores[n, k, row, column].item() - math.log(total)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_eq2_sums_over_cells_and_spreads_the_smoothing_by_the_batch_size(batch, smoothing):
    scores, labels = batch
    size = len(scores)
    expected = 0.0
    for n in range(size):
        for k in range(6):
            for row in range(5):
                for column in range(3):
                    true = int(labels[n, row, column]) == k
                    q = 1 - (size - 1) / size * smoothing if true else smoothing / size
                    expected -= q * log_softmax(scores, n, k, row, column)
    assert body_part_attention_loss(scores, labels, smoothing).item() == pytest.approx(expected / size, rel=1e-10)


def test_the_official_form_is_a_mean_smoothed_over_the_classes(batch):
    scores, labels = batch
    smoothing, expected = 0.1, 0.0
    for n in range(4):
        for row in range(5):
            for column in range(3):
                for k in range(6):
                    q = smoothing / 6 + (1 - smoothing) * (int(labels[n, row, column]) == k)
                    expected -= q * log_softmax(scores, n, k, row, column)
    found = mean_body_part_attention_loss(scores, labels, smoothing).item()
    assert found == pytest.approx(expected / (4 * 5 * 3), rel=1e-10)


@pytest.mark.parametrize("loss", [body_part_attention_loss, mean_body_part_attention_loss])
def test_unknown_cells_have_no_part_in_it(batch, loss):
    scores, labels = batch
    labels = labels.clone()
    labels[:, 2] = UNKNOWN
    scores.requires_grad_()
    loss(scores, labels, 0.1).backward()
    assert not scores.grad[:, :, 2].any()
    assert scores.grad[:, :, 1].all()


@pytest.mark.parametrize("loss", [body_part_attention_loss, mean_body_part_attention_loss])
def test_a_batch_of_which_nothing_is_known_costs_nothing(batch, loss):
    scores, labels = batch
    assert loss(scores, torch.full_like(labels, UNKNOWN), 0.1).item() == 0


@pytest.mark.parametrize("loss", [body_part_attention_loss, mean_body_part_attention_loss])
def test_gradients(batch, loss):
    scores, labels = batch
    assert torch.autograd.gradcheck(lambda values: loss(values, labels, 0.1), scores.requires_grad_())
