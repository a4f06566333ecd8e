"""Learning rate, state, and a training that may be killed after any epoch."""

import json
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from artefacts.errors import UserError
from artefacts.state import State, fingerprint, working_state
from reid.config.root import Model
from reid.training.attention_targets import labels_on_cells
from reid.training.schedule import learning_rate
from reid.training.trainer import Trainer
from tests.people import stage


def tiny(config) -> dict:
    """A model that trains on the tiny people in seconds: three batches an epoch."""
    whole = config.model("small").model_dump(mode="json")
    entry = {name: whole[name] for name in Model.model_fields} | {"size": [64, 32]}
    entry["training"] |= {
        "epochs": 4,
        "ids_per_batch": 4,
        "images_per_id": 2,
        "warmup_epochs": 1,
        "milestones": [3],
    }
    entry["backbone"] = {"name": "resnet10t", "weights": None, "levels": [1, 2]}
    return entry


@pytest.fixture
def entry(config) -> dict:
    return tiny(config)


def test_the_paper_s_schedule(config):
    training = config.model("resnet50").training
    rates = {epoch: learning_rate(epoch, training) for epoch in (0, 5, 10, 39, 40, 69.9, 70, 119)}
    expected = {0: 3.5e-5, 5: (3.5e-5 + 3.5e-4) / 2, 10: 3.5e-4, 39: 3.5e-4, 40: 3.5e-5, 69.9: 3.5e-5, 70: 3.5e-6,
                119: 3.5e-6}  # fmt: skip
    assert rates == pytest.approx(expected)


def test_labels_take_the_label_at_a_cell_s_centre():
    labels = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    assert labels_on_cells(labels, (2, 2)).tolist() == [[[5, 7], [13, 15]]]
    assert labels_on_cells(torch.full((1, 4, 4), 255, dtype=torch.uint8), (2, 2)).unique().tolist() == [255]


class TestState:
    def test_what_was_saved_comes_back(self, tmp_path):
        State(tmp_path, "a").save({"epoch": 3, "weights": torch.arange(3)})
        assert State(tmp_path, "a").load()["weights"].tolist() == [0, 1, 2]

    def test_another_fingerprint_starts_over(self, tmp_path):
        State(tmp_path, fingerprint({"rate": 1})).save({"epoch": 3})
        assert State(tmp_path, fingerprint({"rate": 2})).load() is None

    @pytest.mark.parametrize(
        "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"x" * 99]
    )
    def test_a_damaged_file_starts_over(self, tmp_path, damage):
        State(tmp_path, "a").save({"epoch": 3})
        (file,) = tmp_path.glob("*/state.pt")
        file.write_bytes(damage(file.read_bytes()))
        assert State(tmp_path, "a").load() is None

    def test_two_at_once_are_refused(self, tmp_path):
        with working_state(tmp_path, "a"), pytest.raises(UserError, match="another process"):  # noqa: SIM117
            with working_state(tmp_path, "a"):
                pass

    def test_a_lock_falls_with_its_process(self, tmp_path):
        code = (
            "import os, signal, sys; from pathlib import Path; from artefacts.state import working_state\n"
            "with working_state(Path(sys.argv[1]), 'a'): os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        with working_state(tmp_path, "a"):
            pass


KILLED = """
import os, signal, sys
import artefacts.state, reid.training.trainer
from artefacts.command import run

def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)

def after_a_save(save=artefacts.state.State.save):
    def saved(self, state):
        save(self, state)
        state["epoch"] == 2 and die()
    artefacts.state.State.save = saved

def while_saving(save=artefacts.state.torch.save):
    def half(content, path):
        save(content, path)
        if content["state"]["epoch"] == 3:
            os.truncate(path, os.path.getsize(path) // 2)
            die()
    artefacts.state.torch.save = half

def within_an_epoch(step=reid.training.trainer.Trainer.step, seen=[]):
    def counted(*arguments):
        seen.append(1)
        return die() if len(seen) == 8 else step(*arguments)
    reid.training.trainer.Trainer.step = counted

globals()[sys.argv[1]]()
run("reid", {"train": ""}, sys.argv[2:])
"""


def options(people, entry, folder) -> dict:
    config = {"model": entry, "roots": {"people": str(people.root)}, "sampling": "size", "seed": 1}
    outputs = {"model": folder / "model.safetensors", "history": folder / "history.csv", "state": folder / "state"}
    return {"config": config, "manifest": people.manifest, "labels": people.labels} | outputs


@pytest.fixture(scope="module")
def undisturbed(people, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert stage("train", **options(people, tiny(request.getfixturevalue("config")), folder)) == 0
    return folder


@pytest.mark.parametrize("moment", ["after_a_save", "while_saving", "within_an_epoch"])
def test_a_killed_training_ends_with_the_same_weights(people, entry, undisturbed, tmp_path, moment):
    words = [part for name, value in options(people, entry, tmp_path).items() for part in (f"--{name}", value)]
    words = [json.dumps(word) if isinstance(word, dict) else str(word) for word in words]
    killed = subprocess.run([sys.executable, "-c", KILLED, moment, "train", *words], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (tmp_path / "model.safetensors").exists()
    (state,) = (tmp_path / "state").glob("*/state.pt")
    assert torch.load(state, weights_only=True)["state"]["epoch"] == 2
    assert stage("train", **options(people, entry, tmp_path)) == 0
    expected, found = load_file(undisturbed / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert (undisturbed / "history.csv").read_text() == (tmp_path / "history.csv").read_text()
    assert not list((tmp_path / "state").rglob("state.pt"))


def test_a_loss_that_is_not_finite_stops_with_a_clear_line(people, entry, tmp_path, capsys):
    entry["training"] |= {"warmup_start_lr": 1e30, "learning_rate": 1e30}
    assert stage("train", **options(people, entry, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the loss is not finite in epoch")
    assert not (tmp_path / "model.safetensors").exists()


def test_a_model_is_back_if_more_epochs_are_given_up(people, entry, tmp_path, monkeypatch, caplog):
    entry["training"]["epochs"] = 1
    chosen = options(people, entry, tmp_path)
    assert stage("train", **chosen) == 0
    whole = chosen["model"].read_bytes()
    for output in (chosen["model"], chosen["history"]):
        output.unlink()  # as Snakemake does before the next training
    monkeypatch.setattr(Trainer, "step", lambda *_: (_ for _ in ()).throw(UserError("killed")))
    longer = entry | {"training": entry["training"] | {"epochs": 2}}
    assert stage("train", **chosen | {"config": chosen["config"] | {"model": longer}}) == 1
    assert "superseded: finished with other settings, kept until" in caplog.text
    assert stage("train", **chosen) == 0  # without a step
    assert chosen["model"].read_bytes() == whole
    assert chosen["history"].exists()
