"""What a training shows of itself next to its losses, and what it says early of one that goes wrong."""

import logging
import math

import pandas as pd
import pytest
import torch

from parsing.schemes import UNKNOWN
from reid.training.early_warnings import early_warnings
from reid.training.measures import RunningMeans, identity_accuracy, means, true_part_probability
from reid.training.trainer import Trainer
from tests.people import stage
from tests.unit.reid.training.test_training import options, tiny

ROW = {"epoch": 1, "learning_rate": 0.1, "loss": 99.0, "identity_accuracy": 0.9, "true_part_probability": 0.9}
BOT = {"attention_weight": 0.0, "identity": ["global"], "triplet": ["global"]}


def test_the_accuracy_is_averaged_over_embeddings_and_parts():
    identities = torch.tensor([0, 1])
    both = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    one_of_four = torch.stack([both.flip(0), torch.tensor([[3.0, 1.0], [2.0, 0.0]])], dim=1)  # of two parts
    assert means({"accuracy": identity_accuracy([both], identities)}) == {"accuracy": 1.0}
    assert means({"accuracy": identity_accuracy([both, one_of_four], identities)}) == {"accuracy": (1 + 1 / 4) / 2}


def test_the_probability_of_the_true_part_is_averaged_over_labelled_cells():
    attention = torch.rand(3, 4, 5, 2, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    labels = torch.randint(0, 4, (3, 5, 2), generator=torch.Generator().manual_seed(2))
    labels[0], labels[1, 2:] = UNKNOWN, UNKNOWN
    running, paid = RunningMeans(), []
    for one, labelled in zip(attention.split(1), labels.split(1), strict=True):
        running.add({"true": true_part_probability(one, labelled)})
    for n, row, column in (labels != UNKNOWN).nonzero().tolist():
        paid.append(attention[n, labels[n, row, column], row, column].item())
    assert len(paid) == 14
    assert running.read()["true"] == pytest.approx(sum(paid) / 14)
    assert math.isnan(means({"true": true_part_probability(attention[:1], labels[:1])})["true"])


def loss_of(config, model="hrnet", **changes):
    return config.model(model).loss.model_copy(update=changes)


@pytest.mark.parametrize(
    ("terms", "changes", "said"),
    [
        ({"attention": 21.0, "identity_global": 0.5, "triplet_parts": 0.5}, {}, "lower models.*.loss.attention_weight"),
        (
            {"attention": 21.0, "identity_global": 1.0},
            {"attention_form": "sum"},
            "models.*.loss.attention_form to mean",
        ),
        ({"identity_global": 0.1, "triplet_global": 3.0}, {}, "lower models.*.loss.triplet_weights.global (1.0)"),
        ({"identity_global": 30.0, "triplet_global": 0.1}, {}, "lower models.*.training.learning_rate"),
        ({"identity_global": 3.0, "attention": 0.0}, {}, "no training image has a labelled cell"),
        ({"identity_global": 3.0, "triplet_parts": 0.0}, {}, "raise models.*.loss.margin"),
    ],
)
def test_a_term_that_outweighs_all_others_or_teaches_nothing_is_named(config, terms, changes, said):
    (line,) = early_warnings(ROW | terms, loss_of(config, **changes))
    assert said in line
    assert "in epoch 1" in line or "of epoch 1" in line


@pytest.mark.parametrize(
    "terms", [{"attention": 19.0, "identity_global": 0.5, "triplet_parts": 0.5}, {"identity_global": 6.6}]
)
def test_a_training_that_goes_well_is_not_warned_of(config, terms):
    assert early_warnings(ROW | terms, loss_of(config)) == []


def columns(people, entry, folder) -> set[str]:
    """The columns of a training's history beyond its epochs, learning rate and terms of the loss."""
    assert stage("train", **options(people, entry, folder)) == 0
    names = set(pd.read_csv(folder / "history.csv").columns)
    assert {"epoch", "learning_rate", "loss"} < names
    return {name for name in names if name in ("identity_accuracy", "true_part_probability")}


@pytest.fixture
def entry(config) -> dict:
    entry = tiny(config)
    entry["training"] |= {"epochs": 1, "milestones": []}
    return entry


@pytest.mark.parametrize(
    ("head", "loss", "expected"),
    [
        ({}, {}, {"identity_accuracy", "true_part_probability"}),
        ({}, {"identity": []}, {"true_part_probability"}),
        ({}, BOT, {"identity_accuracy"}),
        ({"attention": "labels"}, {"attention_weight": 0.0}, {"identity_accuracy"}),
        ({"attention": "stripes", "stripes": 3}, BOT | {"identity": ["parts"]}, {"identity_accuracy"}),
    ],
)
def test_a_history_has_the_measures_that_mean_something(people, entry, tmp_path, head, loss, expected):
    entry["head"] |= head
    entry["loss"] |= loss
    assert columns(people, entry, tmp_path) == expected


def test_a_training_warns_after_its_first_epoch_and_again_where_it_goes_on(
    people, entry, tmp_path, monkeypatch, caplog, capsys
):
    entry["training"] |= {"epochs": 2}
    entry["loss"] |= {"attention_weight": 1e4}
    steps, step = [], Trainer.step

    def interrupted(self, *arguments):
        steps.append(1)
        if len(steps) == 4:  # the first of the second epoch
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage("train", **options(people, entry, tmp_path))
    assert "lower models.*.loss.attention_weight (10000.0)" in caplog.text
    caplog.clear()
    caplog.set_level(logging.INFO)
    assert stage("train", **options(people, entry, tmp_path)) == 0
    assert caplog.text.count("lower models.*.loss.attention_weight") == 1
    assert "true_part_probability 0." in capsys.readouterr().err
    assert "resnet10t: 192 channels at stride 4" in caplog.text


def test_weights_that_the_last_step_spoilt_are_not_saved(people, entry, tmp_path, monkeypatch, capsys):
    step = Trainer.step

    def spoilt(self, *arguments):
        values = step(self, *arguments)
        next(self.model.parameters()).data.fill_(math.nan)
        return values

    entry["training"] |= {"ids_per_batch": 4, "images_per_id": 6}  # one batch
    monkeypatch.setattr(Trainer, "step", spoilt)
    assert stage("train", **options(people, entry, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the trained weights are not finite (backbone.")
    assert not (tmp_path / "model.safetensors").exists()
