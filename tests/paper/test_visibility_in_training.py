"""Visibility in training (Section 4.4.1's open question): Eq. 7 with the scores of Eq. 9, against loops."""

import json
import math

import pytest
import torch

from reid.config.root import Loss, Visibility
from reid.losses.gilt import objective, triplet_loss
from reid.losses.triplet import part_averaged_distances, visible_part_averaged_distances
from reid.model.attention import visible_above, visible_by_argmax, visible_parts

IDENTITIES = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
MARGIN = 0.3


@pytest.fixture
def parts():
    return torch.randn(8, 4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.double)


@pytest.fixture
def visible():
    """Half of all parts; images 0 and 1 have none in common, image 7 shows nothing."""
    shown = torch.rand(8, 4, generator=torch.Generator().manual_seed(6)) < 0.6
    shown[0], shown[1], shown[7] = torch.tensor([1, 1, 0, 0]), torch.tensor([0, 0, 1, 1]), False
    return shown


def distance(parts, visible, i, j):
    both = [k for k in range(4) if visible[i, k] and visible[j, k]]
    each = [math.dist(parts[i, k].tolist(), parts[j, k].tolist()) for k in both]
    return sum(each) / len(each) if each else math.inf


def test_the_average_is_over_parts_that_both_images_show(parts, visible):
    found = visible_part_averaged_distances(parts, visible)
    assert found[0, 1].isinf()
    for i in range(8):
        for j in range(8):
            if i != j:
                assert found[i, j].item() == pytest.approx(distance(parts, visible, i, j), rel=1e-9)


def test_images_with_nothing_in_common_are_no_pair(parts, visible):
    """The farthest positive and the nearest negative are sought among images that share a part with the anchor."""
    losses = []
    for a, of in enumerate(IDENTITIES):
        near = {j: distance(parts, visible, a, j) for j in range(8) if j != a}
        positives = [d for j, d in near.items() if IDENTITIES[j] == of and d < math.inf]
        negatives = [d for j, d in near.items() if IDENTITIES[j] != of and d < math.inf]
        if positives and negatives:
            losses.append(max(0.0, max(positives) - min(negatives) + MARGIN))
    assert 0 < len(losses) < 7
    found = triplet_loss(parts, IDENTITIES, MARGIN, "averaged", visible).item()
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-9)


def test_it_is_eq7_where_everything_is_visible(parts):
    everything = torch.ones(8, 4, dtype=torch.bool)
    assert torch.allclose(visible_part_averaged_distances(parts, everything), part_averaged_distances(parts))


def test_gradients(parts, visible):
    def loss(values):
        return triplet_loss(values, IDENTITIES, MARGIN, "averaged", visible)

    assert torch.autograd.gradcheck(loss, parts.requires_grad_())
    loss(parts).backward()
    assert parts.grad.isfinite().all()
    assert not parts.grad[~visible].any()


def test_a_batch_that_shows_nothing_costs_nothing(parts):
    assert triplet_loss(parts, IDENTITIES, MARGIN, "averaged", torch.zeros(8, 4, dtype=torch.bool)).item() == 0


def test_the_rule_is_that_of_eq4_or_the_released_code_s():
    attention = torch.randn(5, 4, 6, 3, generator=torch.Generator().manual_seed(1)).softmax(1)
    above = visible_parts(attention, Visibility(rule="threshold", threshold=0.6))
    assert torch.equal(above, visible_above(attention, 0.6))
    assert torch.equal(visible_parts(attention, Visibility(rule="argmax", threshold=0.6)), visible_by_argmax(attention))
    assert above.any()
    assert not above.all()


def test_the_objective_leaves_hidden_parts_out(config, parts, visible):
    entry = config.model("resnet50").loss.model_dump(mode="json") | {"attention_weight": 0.0, "identity": []}
    embeddings = {"parts": parts}
    settings = Loss.model_validate_json(json.dumps(entry))
    terms = objective(embeddings, {}, None, None, IDENTITIES, settings, visible)
    expected = triplet_loss(parts, IDENTITIES, MARGIN, "averaged", visible)
    assert set(terms) == {"loss", "triplet_parts"}
    assert terms["triplet_parts"].item() == expected.item()
    assert expected.item() != pytest.approx(triplet_loss(parts, IDENTITIES, MARGIN, "averaged").item())
