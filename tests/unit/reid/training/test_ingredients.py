"""What recipes beyond the paper's are made of, each against a slow form: schedule, optimiser, reductions, dropout."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from reid.checkpoints.store import new_model
from reid.config.root import Model
from reid.losses.triplet import batch_hard_triplet_loss
from reid.training.schedule import learning_rate
from reid.training.trainer import make_optimiser
from tests.unit.reid.training.test_training import tiny


def settings(config, **sections: dict) -> Model:
    entry = tiny(config)
    for name, changes in sections.items():
        entry[name] |= changes
    return Model.model_validate_json(json.dumps(entry))


def test_a_cosine_falls_from_the_warm_up_s_end_to_0(config):
    training = config.model("resnet50").training.model_copy(update={"schedule": "cosine"})
    by_hand = {5: (3.5e-5 + 3.5e-4) / 2, 10: 3.5e-4, 65: 3.5e-4 / 2, 120: 0.0}
    by_hand[37.5] = 3.5e-4 * (1 + math.sqrt(0.5)) / 2  # an eighth of a full turn
    assert {epoch: learning_rate(epoch, training) for epoch in by_hand} == pytest.approx(by_hand)
    all_warm = training.model_copy(update={"warmup_epochs": 120})
    assert learning_rate(120, all_warm) == pytest.approx(3.5e-4)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_weights_decay_with_the_gradient_or_apart_from_it(config, optimizer):
    """Two steps of one weight, by the formulas of both papers."""
    weight, rate, decay = 2.0, 0.1, 0.5
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, weight)
    training = {"optimizer": optimizer, "weight_decay": decay, "warmup_start_lr": rate}
    optimiser = make_optimiser(layer, settings(config, training=training), torch.device("cpu"))
    first = second = 0.0
    for step, gradient in enumerate((3.0, -1.0), start=1):
        layer.weight.grad = torch.full((1, 1), gradient)
        optimiser.step()
        if optimizer == "adamw":
            weight -= rate * decay * weight
        else:
            gradient += decay * weight
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        weight -= rate * first / (1 - 0.9**step) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
        assert layer.weight.item() == pytest.approx(weight, rel=1e-5)


def test_separate_reductions_are_a_layer_and_statistics_for_each_part(config):
    torch.manual_seed(0)
    network = new_model(settings(config, head={"reduction": 6, "part_reduction": "separate"}), 3, 4)
    layers, pooled = network.reductions["parts"], torch.randn(5, 3, network.backbone.channels)
    found = layers(pooled)
    for part, layer in enumerate(layers):
        rows = pooled[:, part] @ layer.linear.weight.T + layer.linear.bias
        expected = ((rows - rows.mean(dim=0)) / (rows.var(dim=0, unbiased=False) + layer.norm.eps).sqrt()).clamp_min(0)
        torch.testing.assert_close(found[:, part], expected)
    images = torch.rand(2, 3, 64, 32)
    assert network(images).embeddings["concatenated"].shape == (2, 18)
    shared = new_model(settings(config, head={"reduction": 6}), 3, 4)
    assert sum(p.numel() for p in layers.parameters()) == 3 * sum(
        p.numel() for p in shared.reductions["parts"].parameters()
    )


def dropped(config, monkeypatch, kept):
    """A network in training whose draw leaves `kept` [N, K] of the parts, and what it says of N images."""
    torch.manual_seed(0)
    network = new_model(settings(config, head={"part_dropout": 0.25}), kept.shape[1], 4).train()
    draw = kept.float() * 0.5 + 0.2  # 0.2 or 0.7, of which only the first is under 0.25
    monkeypatch.setattr(torch, "rand", lambda *size, device: draw)
    return network, network(torch.randn(len(kept), 3, 64, 32))


def test_parts_are_left_out_of_the_concatenated_embedding_in_training_alone(config, monkeypatch):
    kept = torch.tensor([[True, False, True], [False, True, True]])
    network, output = dropped(config, monkeypatch, kept)
    width = output.embeddings["parts"].shape[2]
    for image in range(2):
        for part in range(3):
            found = output.embeddings["concatenated"][image, part * width : (part + 1) * width]
            whole = output.embeddings["parts"][image, part]
            torch.testing.assert_close(found, whole / 0.75 if kept[image, part] else torch.zeros_like(whole))
    assert torch.equal(output.kept, kept)
    tested = network.eval()(torch.randn(2, 3, 64, 32))
    assert tested.kept is None
    torch.testing.assert_close(tested.embeddings["concatenated"], tested.embeddings["parts"].flatten(1))


def test_the_triplet_loss_averages_over_parts_that_both_images_keep(config, monkeypatch):
    from accelerate import Accelerator

    from reid.training.trainer import Trainer

    kept = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=torch.bool)
    network, output = dropped(config, monkeypatch, kept)
    identities = torch.tensor([0, 0, 1, 1])
    trainer = Trainer(network, settings(config, head={"part_dropout": 0.25}), Accelerator(cpu=True))
    trainer.model = lambda *_: output
    labels = torch.zeros(4, 16, 8, dtype=torch.uint8)
    batch = SimpleNamespace(
        images=torch.zeros(4, 3, 64, 32, dtype=torch.uint8), labels=labels, confidences=None, identities=identities
    )
    terms, _ = trainer._terms(batch)
    parts, apart = output.embeddings["parts"], torch.zeros(4, 4)
    for one in range(4):
        for other in range(4):
            both = [part for part in range(3) if kept[one, part] and kept[other, part]]
            each = [(parts[one, part] - parts[other, part]).square().sum().clamp_min(1e-12).sqrt() for part in both]
            apart[one, other] = sum(each) / len(each)
    expected = batch_hard_triplet_loss(apart, identities, 0.3)
    torch.testing.assert_close(terms["triplet_parts"], expected, rtol=1e-3, atol=1e-4)
    assert expected > 0


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"head": {"part_reduction": "separate"}}, "set reduction to a number"),
        ({"head": {"part_dropout": 0.2}, "loss": {"part_triplet": "each"}}, "part_triplet: averaged"),
        ({"head": {"part_dropout": 0.2}, "loss": {"identity": ["global"], "triplet": []}}, "changes no loss"),
    ],
)
def test_keys_that_would_do_nothing_are_errors(config, sections, words):
    with pytest.raises(ValidationError, match=words):
        settings(config, **sections)
