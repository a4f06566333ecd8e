"""Eq. 2: the body part attention loss, against a loop over images, cells and classes."""

import math

import pytest
import torch

from parsing.schemes import UNKNOWN
from reid.checkpoints.store import new_model
from reid.config.root import BackboneConfig
from reid.losses.attention import mean_body_part_attention_loss, summed_body_part_attention_loss
from reid.losses.gilt import objective

FORMS = [mean_body_part_attention_loss, summed_body_part_attention_loss]
STRIDE_4 = BackboneConfig(name="resnet10t", weights=None, levels=(1,))


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
def test_the_letter_of_eq2_sums_over_cells_and_spreads_the_smoothing_by_the_batch_size(batch, smoothing):
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
    found = summed_body_part_attention_loss(scores, labels, smoothing).item()
    assert found == pytest.approx(expected / size, rel=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_mean_is_a_cross_entropy_smoothed_over_the_classes(batch, smoothing):
    scores, labels = batch
    expected = 0.0
    for n in range(4):
        for row in range(5):
            for column in range(3):
                for k in range(6):
                    q = smoothing / 6 + (1 - smoothing) * (int(labels[n, row, column]) == k)
                    expected -= q * log_softmax(scores, n, k, row, column)
    found = mean_body_part_attention_loss(scores, labels, smoothing).item()
    assert found == pytest.approx(expected / (4 * 5 * 3), rel=1e-10)


@pytest.mark.parametrize("loss", FORMS)
def test_unknown_cells_have_no_part_in_it(batch, loss):
    scores, labels = batch
    labels = labels.clone()
    labels[:, 2] = UNKNOWN
    scores.requires_grad_()
    loss(scores, labels, 0.1).backward()
    assert not scores.grad[:, :, 2].any()
    assert scores.grad[:, :, 1].all()


@pytest.mark.parametrize("loss", FORMS)
def test_a_batch_of_which_nothing_is_known_costs_nothing(batch, loss):
    scores, labels = batch
    assert loss(scores, torch.full_like(labels, UNKNOWN), 0.1).item() == 0


@pytest.mark.parametrize("loss", FORMS)
def test_gradients(batch, loss):
    scores, labels = batch
    assert torch.autograd.gradcheck(lambda values: loss(values, labels, 0.1), scores.requires_grad_())


def over_the_other_terms(entry, size) -> float:
    """The attention term of a model entry over the sum of all its other terms, at the first step on random images."""
    torch.manual_seed(1)
    settings = entry.model_copy(update={"backbone": STRIDE_4, "size": size})
    output = new_model(settings, parts=8, identities=700).train()(torch.randn(8, 3, *size))
    labels = torch.randint(0, 9, (8, *output.attention.shape[-2:]))
    scores = output.identity_scores, output.attention_scores
    terms = objective(output.embeddings, *scores, labels, torch.arange(8) // 4, settings.loss)
    return (terms["attention"] / (terms["loss"] - terms["attention"])).item()


@pytest.mark.parametrize("model", ["hrnet", "hrnet_official"])
def test_the_attention_term_weighs_alike_at_every_resolution(config, model):
    few, many = (over_the_other_terms(config.model(model), size) for size in ((64, 32), (384, 128)))  # 16x8, 96x32
    assert 1 / 2 < many / few < 2
    assert many < 1, "the attention term outweighs all others"
