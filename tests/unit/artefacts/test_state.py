"""Work with other settings overwrites nothing: what is finished stays until its successor is, the half done longer."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
import torch

from artefacts.command import os_error_in_chain
from artefacts.files import write_text
from artefacts.state import KEPT, State, working_state


def finish(folder: Path, settings: str) -> None:
    """Finish a training whose outputs say with which settings, as a job of Snakemake does."""
    with working_state(folder / "state", settings) as state:
        state.save({"of": settings})
        for output in outputs(folder):
            write_text(output, settings)
        state.finish(outputs(folder))


def begin(folder: Path, settings: str) -> None:
    """Begin a training, whose outputs Snakemake has removed, and be killed in it."""
    for output in outputs(folder):
        output.unlink(missing_ok=True)
    with working_state(folder / "state", settings) as state:
        assert not state.put_back(outputs(folder))
        state.save({"of": settings})


def come_back(folder: Path, settings: str) -> bool:
    with working_state(folder / "state", settings) as state:
        return state.put_back(outputs(folder))


def outputs(folder: Path) -> list[Path]:
    return [folder / "results/model", folder / "results/history"]


def content(folder: Path) -> set[str]:
    return {output.read_text() for output in outputs(folder)}


@pytest.mark.parametrize("linked", [True, False])
def test_finished_work_is_put_back_if_its_successor_is_given_up(tmp_path, caplog, monkeypatch, linked):
    if not linked:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "Invalid cross-device link")))
    finish(tmp_path, "30 epochs")
    begin(tmp_path, "40 epochs")
    assert "finished with other settings, kept until the present work is done" in caplog.text
    assert come_back(tmp_path, "30 epochs")
    assert content(tmp_path) == {"30 epochs"}
    begin(tmp_path, "40 epochs")
    assert come_back(tmp_path, "30 epochs")
    assert State(tmp_path / "state", "40 epochs").load() == {"of": "40 epochs"}


def test_finished_work_is_kept_until_its_successor_is_there(tmp_path):
    finish(tmp_path, "30 epochs")
    begin(tmp_path, "40 epochs")
    begin(tmp_path, "50 epochs")
    assert len(list(tmp_path.glob("state/*/superseded/model"))) == 1
    finish(tmp_path, "50 epochs")
    assert not list(tmp_path.glob("state/*/superseded"))
    assert not come_back(tmp_path, "30 epochs")
    assert State(tmp_path / "state", "40 epochs").load() == {"of": "40 epochs"}


def test_work_that_nothing_superseded_is_done_again_if_it_is_asked_for(tmp_path):
    finish(tmp_path, "30 epochs")
    begin(tmp_path, "30 epochs")
    assert not come_back(tmp_path, "30 epochs")


def test_of_half_done_work_with_other_settings_the_last_is_kept(tmp_path, caplog):
    settings = [f"{number} epochs" for number in range(KEPT + 2)]
    for number, one in enumerate(settings):
        begin(tmp_path, one)
        (file,) = tmp_path.glob(f"state/{one}/state.pt")
        os.utime(file, (number, number))
    left = [one for one in settings if State(tmp_path / "state", one).load()]
    assert left == settings[1:]
    assert f"half done with other settings, code or inputs, kept (of such, the last {KEPT})" in caplog.text
    assert "state/0 epochs: half done with other settings, code or inputs, removed" in caplog.text


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    begin(tmp_path, "30 epochs")
    assert "its file system has no locks; see that no other process works here" in caplog.text


def test_a_disk_that_fails_does_not_start_the_work_over(tmp_path, monkeypatch):
    begin(tmp_path, "30 epochs")

    def failing(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(torch, "load", failing)
    with pytest.raises(OSError, match="Input/output error") as error:
        State(tmp_path / "state", "30 epochs").load()
    assert os_error_in_chain(error.value) == "a file: Input/output error"
