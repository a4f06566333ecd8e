"""Training of a PifPaf network: order of the data, learning rate, going on after a kill."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artefacts.state import working_state
from parsing.config import PifPafTraining
from parsing.ground_truth import Truth
from parsing.pifpaf import network as pifpaf
from parsing.pifpaf import training
from parsing.pifpaf.checkpoints import load_network
from parsing.pifpaf.training import EndlessOrder, KeypointDataset, PifPafTrainer, learning_rate, train
from tests.labelling import SIZE, stage
from tests.pifpaf import ARCHITECTURE

ENTRY = {
    "architecture": {"repeats": [1, 1, 1], "channels": [8, 16, 16, 16, 16], "upsample": 2},
    "seed": 3, "steps": 6, "batch_size": 2, "learning_rate": 0.002, "warmup_steps": 2, "weight_decay": 0.0,
    "average_decay": 0.5, "gradient_clip": 100.0,
}  # fmt: skip
CONFIG = PifPafTraining.model_validate_json(json.dumps(ENTRY))


@given(length=st.integers(1, 9), seed=st.integers(0, 9), stops=st.lists(st.integers(0, 40), min_size=2, max_size=2))
def test_the_order_goes_on_where_it_stopped(length, seed, stops):
    middle, end = sorted(stops)
    whole = list(EndlessOrder(length, seed, 0, end))
    assert whole == [*EndlessOrder(length, seed, 0, middle), *EndlessOrder(length, seed, middle, end)]
    for rounds in range(end // length):
        assert sorted(whole[rounds * length : (rounds + 1) * length]) == list(range(length))


def test_rounds_and_seeds_are_shuffled_anew():
    rounds = list(EndlessOrder(50, 0, 0, 100))
    assert rounds[:50] != rounds[50:]
    assert rounds[:50] != list(EndlessOrder(50, 1, 0, 50))


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    config = CONFIG.model_copy(update={"steps": 102})
    rates = [learning_rate(step, config) for step in range(103)]
    assert rates[:3] == pytest.approx([0.001, 0.002, 0.002])
    assert rates[52] == pytest.approx(0.001)
    assert rates[102] == pytest.approx(0, abs=1e-9)
    assert all(first >= second for first, second in itertools.pairwise(rates[2:]))
    assert rates[27] == pytest.approx(0.001 * (1 + math.cos(math.pi / 4)))


@pytest.fixture(scope="module")
def data(people) -> KeypointDataset:
    encoder = pifpaf.Encoder(pifpaf.build_network(ARCHITECTURE))
    return KeypointDataset(people.root, Truth(people.truth), SIZE, encoder)


def test_targets_are_where_the_keypoints_are(data):
    image, (cif, caf) = data[0]
    assert (image.shape, cif.shape[0], caf.shape[0]) == ((3, 65, 33), 17, 19)
    scale = np.array(SIZE[::-1]) / data.truth.size[::-1]
    for channel, (x, y, visibility) in enumerate(data.truth.keypoints[0, 0]):
        confidence = cif[channel, 0]
        if visibility == 2 and 0.2 < x / 64 < 0.8 and 0.2 < y / 128 < 0.8:
            cell = tuple(np.round(np.array([y, x]) * scale[::-1] / 8).astype(int))
            assert confidence[cell] == 1


class Killed(Exception):
    """What a trainer dies of."""


def watch(monkeypatch: pytest.MonkeyPatch, kill_before: int | None) -> list[torch.Tensor]:
    """The batches that trainers see from now on; before step `kill_before` they die."""
    seen: list[torch.Tensor] = []
    step = PifPafTrainer.step

    def watched(self, images, targets):
        if self.done == kill_before:
            raise Killed
        seen.append(images)
        return step(self, images, targets)

    monkeypatch.setattr(PifPafTrainer, "step", watched)
    return seen


def test_a_killed_training_goes_on_with_the_same_data(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    with monkeypatch.context() as patch, working_state(tmp_path / "killed", "mine") as state:
        before = watch(patch, kill_before=3)
        with pytest.raises(Killed):
            train(fresh(), data, CONFIG, 0, state)
    with monkeypatch.context() as patch, working_state(tmp_path / "killed", "mine") as state:
        after = watch(patch, kill_before=None)
        resumed = train(fresh(), data, CONFIG, 0, state)
    with monkeypatch.context() as patch, working_state(tmp_path / "whole", "mine") as state:
        undisturbed = watch(patch, kill_before=None)
        whole = train(fresh(), data, CONFIG, 0, state)
    assert len(before) == 3
    for ours, theirs in zip([*before[:2], *after], undisturbed, strict=True):  # saved after two steps
        torch.testing.assert_close(ours, theirs)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def fresh() -> torch.nn.Module:
    torch.manual_seed(0)
    return pifpaf.build_network(ARCHITECTURE)


def test_the_stage_leaves_a_checkpoint_a_report_and_no_state(people, tmp_path):
    paths = dict.fromkeys(("index", "validation_index"), people.index)
    paths |= dict.fromkeys(("truth", "validation_truth"), people.truth)
    outputs = {"checkpoint": tmp_path / "net.safetensors", "report": tmp_path / "net.json"}
    config = {"training": ENTRY | {"steps": 2}, "size": SIZE}
    assert stage("train-pifpaf", config=config, state=tmp_path / "state", **paths, **outputs) == 0
    report = json.loads(outputs["report"].read_text())
    assert report["architecture"] == ENTRY["architecture"]
    assert report["validation"]["images"] == 54
    assert set(report["validation"]) >= {"pck", "pck_of", "found", "right_person"}
    assert report["command"].startswith("python -m parsing train-pifpaf --config")
    assert report["provenance"]["config"]["training"]["steps"] == 2
    assert not list((tmp_path / "state").rglob("state.pt"))
    load_network(outputs["checkpoint"])
