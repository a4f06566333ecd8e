"""Eq. 5-8: the objective, GiLt and the part-averaged triplet loss, against loops over images and parts."""

import json
import math

import pytest
import torch

from reid.config.root import Loss
from reid.losses.attention import mean_body_part_attention_loss
from reid.losses.gilt import identity_loss, objective, triplet_loss
from reid.losses.triplet import (
    batch_hard_triplet_loss,
    pairwise_distances,
    part_averaged_distances,
    part_averaged_triplet_loss,
    separate_part_triplet_loss,
)

IDENTITIES = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
MARGIN = 0.3


@pytest.fixture
def parts():
    return torch.randn(8, 4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.double)


def distance(first, second):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(first.tolist(), second.tolist(), strict=True)))


def eq7(parts, i, j):
    return sum(distance(parts[i, k], parts[j, k]) for k in range(parts.shape[1])) / parts.shape[1]


def eq8(distances, margin=MARGIN):
    """`distances`: function of two images. Mean over anchors of the hinge on the hardest pair."""
    losses = []
    for a, of in enumerate(IDENTITIES):
        positives = [distances(a, j) for j, other in enumerate(IDENTITIES) if other == of and j != a]
        negatives = [distances(a, j) for j, other in enumerate(IDENTITIES) if other != of]
        losses.append(max(0.0, max(positives) - min(negatives) + margin))
    return sum(losses) / len(losses)


def test_eq7_averages_the_distances_of_the_parts(parts):
    found = part_averaged_distances(parts)
    for i in range(8):
        for j in range(8):
            if i != j:
                assert found[i, j].item() == pytest.approx(eq7(parts, i, j), rel=1e-9)


def test_eq8_takes_the_hardest_positive_and_negative(parts):
    found = part_averaged_triplet_loss(parts, IDENTITIES, MARGIN).item()
    assert found == pytest.approx(eq8(lambda i, j: eq7(parts, i, j)), rel=1e-9)
    assert found > 0


def test_a_triplet_for_each_part_is_another_loss(parts):
    expected = sum(eq8(lambda i, j, k=k: distance(parts[i, k], parts[j, k])) for k in range(4)) / 4
    found = separate_part_triplet_loss(parts, IDENTITIES, MARGIN).item()
    assert found == pytest.approx(expected, rel=1e-9)
    assert found != pytest.approx(part_averaged_triplet_loss(parts, IDENTITIES, MARGIN).item(), rel=1e-3)


def test_the_triplet_loss_of_a_holistic_embedding(parts):
    found = triplet_loss(parts[:, 0], IDENTITIES, MARGIN, "averaged").item()
    assert found == pytest.approx(eq8(lambda i, j: distance(parts[i, 0], parts[j, 0])), rel=1e-9)


def test_an_anchor_without_a_positive_is_left_out():
    features = torch.tensor([[0.0], [1.0], [10.0]], dtype=torch.double)
    found = batch_hard_triplet_loss(pairwise_distances(features), torch.tensor([0, 0, 1]), 20.0)
    assert found.item() == pytest.approx(((1 - 10 + 20) + (1 - 9 + 20)) / 2)


def test_a_batch_of_one_identity_costs_nothing():
    distances = pairwise_distances(torch.randn(3, 2))
    assert batch_hard_triplet_loss(distances, torch.zeros(3), MARGIN).item() == 0


def test_equal_features_have_finite_gradients():
    parts = torch.ones(4, 2, 3, requires_grad=True)
    part_averaged_triplet_loss(parts, torch.tensor([0, 0, 1, 1]), MARGIN).backward()
    assert parts.grad.isfinite().all()


@pytest.mark.parametrize("loss", [part_averaged_triplet_loss, separate_part_triplet_loss])
def test_gradients(parts, loss):
    assert torch.autograd.gradcheck(lambda values: loss(values, IDENTITIES, MARGIN), parts.requires_grad_())


def smoothed_cross_entropy(scores, identity, smoothing):
    total = math.log(sum(math.exp(score) for score in scores))
    weights = [smoothing / len(scores) + (1 - smoothing) * (i == identity) for i in range(len(scores))]
    return -sum(weight * (score - total) for weight, score in zip(weights, scores, strict=True))


def test_the_identity_loss_is_a_smoothed_cross_entropy():
    scores = torch.randn(8, 3, generator=torch.Generator().manual_seed(6), dtype=torch.double)
    pairs = zip(scores.tolist(), IDENTITIES.tolist(), strict=True)
    expected = sum(smoothed_cross_entropy(row, identity, 0.1) for row, identity in pairs) / 8
    assert identity_loss(scores, IDENTITIES, 0.1).item() == pytest.approx(expected, rel=1e-9)
    of_parts = torch.stack([scores, 2 * scores], dim=1)
    both = (identity_loss(scores, IDENTITIES, 0.1) + identity_loss(2 * scores, IDENTITIES, 0.1)) / 2
    assert identity_loss(of_parts, IDENTITIES, 0.1).item() == pytest.approx(both.item(), rel=1e-9)


def settings(**changes):
    entry = {
        "attention_weight": 0.35, "attention_smoothing": 0.1, "attention_form": "mean", "margin": MARGIN,
        "identity": ["global", "foreground", "concatenated"], "identity_smoothing": 0.1,
        "triplet": ["parts"], "part_triplet": "averaged",
    }  # fmt: skip
    return Loss.model_validate_json(json.dumps(entry | changes))


@pytest.fixture
def outputs(parts):
    generator = torch.Generator().manual_seed(7)
    embeddings = {"global": parts[:, 0], "foreground": parts[:, 1], "concatenated": parts.flatten(1), "parts": parts}
    scores = {
        name: torch.randn(8, 3, generator=generator).double() for name in ("global", "foreground", "concatenated")
    }
    attention = torch.randn(8, 5, 4, 2, generator=generator).double()
    labels = torch.randint(0, 5, (8, 4, 2), generator=generator)
    return embeddings, scores, attention, labels


def test_eq5_and_eq6_sum_their_terms(outputs):
    embeddings, scores, attention, labels = outputs
    terms = objective(embeddings, scores, attention, labels, IDENTITIES, settings())
    expected = 0.35 * mean_body_part_attention_loss(attention, labels, 0.1)
    expected += sum(identity_loss(scores[name], IDENTITIES, 0.1) for name in ("global", "foreground", "concatenated"))
    expected += part_averaged_triplet_loss(embeddings["parts"], IDENTITIES, MARGIN)
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-12)
    assert set(terms) == {
        "loss", "attention", "identity_global", "identity_foreground", "identity_concatenated", "triplet_parts",
    }  # fmt: skip


def test_bag_of_tricks_is_the_global_embedding_alone(outputs):
    embeddings, scores, attention, labels = outputs
    bot = settings(attention_weight=0.0, identity=["global"], triplet=["global"])
    terms = objective(embeddings, scores, attention, labels, IDENTITIES, bot)
    assert set(terms) == {"loss", "identity_global", "triplet_global"}
