"""What training offers besides the plain loop: several processes, averaged weights, less memory, a stop when asked."""

import argparse
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reid.config.stages import TrainConfig
from reid.stages.train import _run
from reid.training.distributed import run_in_processes
from reid.training.trainer import Trainer
from tests.people import stage
from tests.unit.reid.training.test_training import options, tiny

WITHOUT_BATCH_NORM = "convnext_atto"  # BatchNorm on CPUs sees the share of its own process only


@pytest.fixture
def entry(config) -> dict:
    entry = tiny(config)
    entry["training"] |= {"epochs": 2, "milestones": [1]}
    return entry


def trained(people, entry, folder) -> dict[str, torch.Tensor]:
    AcceleratorState._reset_state(reset_partial_state=True)  # within a process accelerate keeps its first precision
    assert stage("train", **options(people, entry, folder)) == 0
    return load_file(folder / "model.safetensors")


def command(people, entry, folder) -> list[str]:
    words = [part for name, value in options(people, entry, folder).items() for part in (f"--{name}", value)]
    strings = [json.dumps(word) if isinstance(word, dict) else str(word) for word in words]
    return [sys.executable, "-m", "reid.stages", "train", *strings]


def write_gradients(arguments: argparse.Namespace) -> int:
    """Instead of training: write the loss and the gradients of the first batch. Runs in a process of its own."""

    def first(self, batch, _):
        terms, _ = self._terms(batch)
        self.accelerator.backward(terms["loss"])
        if self.accelerator.is_main_process:
            gradients = {name: value.grad for name, value in self._bare().named_parameters() if value.grad is not None}
            torch.save({"loss": terms["loss"].detach(), **gradients}, arguments.model)
        raise SystemExit(0)

    Trainer.step = first
    _run(arguments, TrainConfig.model_validate_json(arguments.config))
    return 0


def first_gradients(people, entry, folder) -> dict[str, torch.Tensor]:
    chosen = options(people, entry, folder) | {"model": folder / "gradients.pt", "threads": 2, "profile": None}
    files = {name: [chosen[name]] for name in ("manifest", "labels") if name in chosen}  # of one dataset
    arguments = argparse.Namespace(**chosen | files | {"config": json.dumps(chosen["config"])})
    run_in_processes(write_gradients, arguments, entry["training"].get("processes", 1))
    return torch.load(folder / "gradients.pt", weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"head": {"attention": "stripes", "stripes": 3}, "loss": {"attention_weight": 0.0}},
        {"head": {"attention": "labels"}, "loss": {"attention_weight": 0.0}},
        {"loss": {"triplet_visibility": {"rule": "threshold", "threshold": 0.17}}},
    ],
)
def test_two_processes_see_the_batch_of_one(people, entry, tmp_path, changes):
    for section, values in changes.items():
        entry[section] |= values
    entry["backbone"] |= {"name": WITHOUT_BATCH_NORM}
    alone = first_gradients(people, entry, tmp_path / "one")
    entry["training"] |= {"processes": 2}
    shared = first_gradients(people, entry, tmp_path / "two")
    assert alone.keys() == shared.keys()
    largest = max(float(gradient.abs().max()) for gradient in alone.values())
    for name, gradient in alone.items():  # some are zero but for rounding
        atol = 1e-5 * float(gradient.abs().max()) + 1e-6 * largest
        torch.testing.assert_close(shared[name], gradient, rtol=1e-4, atol=atol, msg=lambda t, n=name: n + t)


@pytest.mark.slow
def test_an_error_in_several_processes_is_one_line(people, entry, tmp_path):
    entry["training"] |= {"processes": 2, "warmup_start_lr": 1e30, "learning_rate": 1e30}
    failed = subprocess.run(command(people, entry, tmp_path), capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    (said,) = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert said.startswith("error: the loss is not finite in epoch")


def test_averaged_weights_follow_the_formula(people, entry, tmp_path, monkeypatch):
    entry["training"] |= {"average_decay": 0.7, "epochs": 1}
    seen = []
    step = Trainer.step

    def noted(self, *arguments):
        terms = step(self, *arguments)
        seen.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        return terms

    monkeypatch.setattr(Trainer, "step", noted)
    averaged = trained(people, entry, tmp_path)
    for name, tensor in averaged.items():
        if not tensor.is_floating_point():
            continue
        expected = seen[0][name]
        for weights in seen[1:]:
            expected = 0.7 * expected + 0.3 * weights[name]
        torch.testing.assert_close(tensor, expected)
    assert any(not torch.equal(averaged[name], seen[-1][name]) for name in averaged)


def test_recomputed_activations_change_no_gradient(people, entry, tmp_path):
    plain = trained(people, entry, tmp_path / "plain")
    entry["training"] |= {"checkpointing": True}
    recomputed = trained(people, entry, tmp_path / "recomputed")
    learnt = [name for name in plain if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(plain[name], recomputed[name]) for name in learnt)


def test_a_backbone_that_cannot_recompute_says_so(people, entry, tmp_path, capsys):
    entry["backbone"] |= {"name": "hrnet_w18_small", "levels": [1, 2]}
    entry["training"] |= {"checkpointing": True}
    assert stage("train", **options(people, entry, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: models.*.training.checkpointing: timm cannot")


@pytest.mark.slow
def test_compiled_losses_and_gradients_are_the_eager_ones(people, entry, tmp_path):
    entry["loss"] |= {"triplet_visibility": {"rule": "threshold", "threshold": 0.17}}
    eager = first_gradients(people, entry, tmp_path / "eager")
    entry["training"] |= {"compile": True}
    compiled = first_gradients(people, entry, tmp_path / "compiled")
    assert compiled.keys() == eager.keys()
    for name, expected in eager.items():
        difference = float((compiled[name] - expected).norm() / expected.norm().clamp_min(1e-6))
        assert difference < 1e-5, (name, difference)


@pytest.mark.slow
def test_a_compiled_model_trains_alike(people, entry, tmp_path):
    plain = trained(people, entry, tmp_path / "plain")
    entry["training"] |= {"compile": True}
    torch._dynamo.utils.counters.clear()
    compiled = trained(people, entry, tmp_path / "compiled")
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert plain.keys() == compiled.keys()
    histories = [pd.read_csv(tmp_path / folder / "history.csv") for folder in ("plain", "compiled")]
    pd.testing.assert_frame_equal(*histories, rtol=0.05)


def test_half_precision_without_a_gpu_is_refused(people, entry, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    entry["training"] |= {"precision": "float16"}
    assert stage("train", **options(people, entry, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: models.*.training.precision: float16 needs")


def test_bfloat16_learns(people, entry, tmp_path):
    entry["training"] |= {"precision": "bfloat16"}
    trained(people, entry, tmp_path)
    losses = pd.read_csv(tmp_path / "history.csv")["loss"]
    assert losses.iloc[-1] < losses.iloc[0]


STOPPED = """
import os, signal, sys
import reid.training.trainer
from artefacts.command import run
from reid.config.stages import TrainConfig
from reid.stages.train import _run
from reid.training.distributed import run_in_processes
from reid.training.trainer import Trainer

def stopped(self, *arguments, step=Trainer.step, seen=[]):
    seen.append(1)
    len(seen) == 5 and os.kill(os.getpid(), signal.SIGTERM)
    return step(self, *arguments)

Trainer.step = stopped
sys.exit(run("reid", {"train": ""}, sys.argv[1:]))
"""


def test_a_training_asked_to_stop_saves_the_step_that_it_is_at(people, entry, tmp_path):
    expected = trained(people, entry, tmp_path / "undisturbed")
    folder = tmp_path / "stopped"
    words = command(people, entry, folder)[3:]
    ended = subprocess.run([sys.executable, "-c", STOPPED, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    (state,) = (folder / "state").glob("*/state.pt")
    saved = torch.load(state, weights_only=True)["state"]
    assert (saved["epoch"], saved["batch"]) == (1, 2)  # three batches an epoch: the fifth step is done
    found = trained(people, entry, folder)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert (folder / "history.csv").read_text() == (tmp_path / "undisturbed" / "history.csv").read_text()


def test_the_first_batch_that_was_not_finite_is_kept_however_late_it_is_read(people, entry, tmp_path, monkeypatch):
    entry["training"] |= {"warmup_start_lr": 1e30, "learning_rate": 1e30}
    seen, step = [], Trainer.step

    def noted(self, batch, batches):
        seen.append(batch.keys)
        step(self, batch, batches)

    monkeypatch.setattr(Trainer, "step", noted)
    monkeypatch.setattr("reid.training.loop.INTERVAL", math.inf)
    assert stage("train", **options(people, entry, tmp_path)) == 1
    note = json.loads((tmp_path / "state" / "not_finite.json").read_text())
    assert len(seen) == 3  # the epoch
    assert (note["epoch"], note["batch"], note["images"]) == (1, 2, seen[1])


@pytest.mark.parametrize(
    ("names", "words"),
    [("tensorbored", "REID_TRACKERS: 'tensorbored' is not one of"), ("clearml", "REID_TRACKERS: clearml is not")],
)
def test_an_unknown_tracker_is_named(people, entry, tmp_path, capsys, monkeypatch, names, words):
    monkeypatch.setenv("REID_TRACKERS", names)
    assert stage("train", **options(people, entry, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {words}")


def test_tensorboard_is_told_every_term(people, entry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REID_TRACKERS", "tensorboard")
    entry["training"] |= {"epochs": 1}
    trained(people, entry, tmp_path)
    told = EventAccumulator(str(tmp_path / "logs/trackers/bpbreid")).Reload()
    history = pd.read_csv(tmp_path / "history.csv")
    for term in ("loss", "attention", "triplet_parts"):
        values = [event.value for event in told.Scalars(term)]
        assert (len(values), np.mean(values)) == (3, pytest.approx(history[term][0], rel=1e-5))


@pytest.mark.slow
def test_a_profile_has_ten_steps_and_changes_nothing(people, entry, tmp_path):
    entry["training"] |= {"epochs": 5}
    plain = trained(people, entry, tmp_path / "plain")
    trace, folder = tmp_path / "trace.json", tmp_path / "profiled"
    assert stage("train", **options(people, entry, folder), profile=trace) == 0
    profiled = load_file(folder / "model.safetensors")
    assert all(torch.equal(plain[name], profiled[name]) for name in plain)
    events = [event["name"] for event in json.loads(trace.read_text())["traceEvents"]]
    assert len({name for name in events if name.startswith("ProfilerStep#")}) == 10
    assert "aten::convolution" in events
    assert "aten::convolution" in (tmp_path / "trace.json.txt").read_text()


def test_a_training_too_short_to_be_profiled_says_so(people, entry, tmp_path, caplog):
    entry["training"] |= {"epochs": 1, "milestones": [], "images_per_id": 3}
    assert stage("train", **options(people, entry, tmp_path), profile=tmp_path / "trace.json") == 0
    assert "trace.json was not written: the training has fewer than 3 steps" in caplog.text
    assert not (tmp_path / "trace.json").exists()
