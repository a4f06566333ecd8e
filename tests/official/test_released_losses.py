"""The released code's losses: pixel and identity smoothing by hand, and the weight of the foreground's triplets."""

import math

import pytest
import torch

from parsing.schemes import UNKNOWN
from reid.losses.attention import mean_body_part_attention_loss
from reid.losses.gilt import identity_loss, objective, triplet_loss

IDENTITIES = torch.tensor([0, 0, 1, 1, 2, 2])


def log_softmax(scores):
    total = sum(math.exp(score) for score in scores)
    return [score - math.log(total) for score in scores]


def smoothed_cross_entropy(scores, label, smoothing):
    """-sum_k q_k log p_k with q = (1 - eps) onehot + eps / classes."""
    share = smoothing / len(scores)
    return -sum(((1 - smoothing) * (k == label) + share) * value for k, value in enumerate(log_softmax(scores)))


def test_two_cells_by_hand():
    """Two classes with equal scores cost log 2 whatever the label; scores log 3 and 0 give 3/4 and 1/4."""
    scores = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])  # class x cell
    scores = scores[None, :, None]
    labels = torch.tensor([[[1, 0]]])
    certain = -(0.95 * math.log(3 / 4) + 0.05 * math.log(1 / 4))
    assert mean_body_part_attention_loss(scores, labels, 0.1).item() == pytest.approx((math.log(2) + certain) / 2)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_pixels_are_averaged_and_smoothed_over_the_classes(smoothing):
    scores = torch.randn(3, 6, 4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    labels = torch.randint(0, 6, (3, 4, 2), generator=torch.Generator().manual_seed(2))
    labels[0, 1] = UNKNOWN
    losses = [
        smoothed_cross_entropy(scores[n, :, row, column].tolist(), labels[n, row, column].item(), smoothing)
        for n in range(3) for row in range(4) for column in range(2) if labels[n, row, column] != UNKNOWN
    ]  # fmt: skip
    assert len(losses) == 22
    found = mean_body_part_attention_loss(scores, labels, smoothing).item()
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_identities_are_smoothed_over_all_of_them(smoothing):
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    losses = [
        smoothed_cross_entropy(line.tolist(), identity.item(), smoothing)
        for line, identity in zip(scores, IDENTITIES, strict=True)
    ]
    assert identity_loss(scores, IDENTITIES, smoothing).item() == pytest.approx(sum(losses) / 6, rel=1e-10)


@pytest.fixture
def outputs():
    generator = torch.Generator().manual_seed(4)
    parts = torch.randn(6, 3, 4, generator=generator, dtype=torch.double)
    embeddings = {
        "global": parts[:, 0],
        "foreground": parts[:, 1] / 2,
        "concatenated": parts.flatten(1),
        "parts": parts,
    }
    scores = {name: torch.randn(6, 3, generator=generator).double() for name in embeddings if name != "parts"}
    attention = torch.randn(6, 4, 2, 2, generator=generator).double()
    return embeddings, scores, attention, torch.randint(0, 4, (6, 2, 2), generator=generator), IDENTITIES


def weighted(config, outputs, weight):
    loss = config.model("resnet50_official").loss
    assert loss.triplet == ["foreground", "parts"]
    return objective(*outputs, loss.model_copy(update={"triplet_weights": {"foreground": weight}}))


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_the_foreground_s_triplets_have_a_weight(config, outputs, weight):
    terms = weighted(config, outputs, weight)
    plain = triplet_loss(outputs[0]["foreground"], IDENTITIES, 0.3, "averaged").item()
    assert plain > 0
    assert terms["triplet_foreground"].item() == pytest.approx(weight * plain)
    assert terms["triplet_parts"].item() == triplet_loss(outputs[0]["parts"], IDENTITIES, 0.3, "averaged").item()
    rest = sum(value.item() for name, value in terms.items() if name != "loss")
    assert terms["loss"].item() == pytest.approx(rest)


def test_weight_zero_takes_the_term_out(config, outputs):
    terms = weighted(config, outputs, 0.0)
    assert "triplet_foreground" not in terms
    everything = weighted(config, outputs, 1.0)
    difference = everything["loss"] - everything["triplet_foreground"]
    assert terms["loss"].item() == pytest.approx(difference.item())


@pytest.mark.parametrize(
    ("model", "foreground", "attention"),
    [
        ("resnet50_official", 1.0, 0.35),
        ("resnet50_official_occluded", 0.0, 0.35),
        ("resnet50_official_occluded_reid", 1.0, 0.7),
        ("hrnet_official", 1.0, 0.35),
        ("hrnet_official_occluded", 0.0, 0.35),
        ("hrnet_official_occluded_reid", 1.0, 0.7),
    ],
)
def test_the_datasets_weights(config, model, foreground, attention):
    loss = config.model(model).loss
    assert loss.triplet_weights["foreground"] == foreground
    assert loss.attention_weight == attention
    assert loss.attention_form == "mean"


def test_the_paper_weighs_no_foreground_triplets(config):
    assert config.model("resnet50").loss.triplet == ["parts"]
