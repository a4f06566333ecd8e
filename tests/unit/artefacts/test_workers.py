"""Worker processes keep the order of their tasks, and end in one line when one of them dies, hangs or cannot share."""

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from artefacts.command import termination
from artefacts.errors import UserError
from artefacts.workers import AHEAD, WorkerFailed, Workers
from tests.conftest import PROJECT

SOON = 20  # seconds; far below any patience, far above what a busy machine needs


def results(function, tasks, processes=2, patience=300.0) -> list:
    with Workers(processes, lambda: function, "loads images", patience) as workers:
        return list(workers.map(tasks))


def failure(function, **options) -> str:
    """The line that a run on one task ends in, soon and without a process left."""
    begun = time.monotonic()
    with pytest.raises(WorkerFailed) as error:
        results(function, [0], **options)
    assert time.monotonic() - begun < SOON
    until(lambda: not multiprocessing.active_children())
    return str(error.value)


@pytest.mark.parametrize("processes", [0, 1, 3])
def test_results_keep_the_order_of_the_tasks(processes):
    def late_if_even(number):
        time.sleep(0.02 * (number % 2 == 0))
        return {"number": torch.tensor([number]), "name": str(number)}

    found = results(late_if_even, range(9), processes)
    assert [(int(result["number"]), result["name"]) for result in found] == [(n, str(n)) for n in range(9)]


def test_no_more_tasks_are_taken_than_processes_need():
    taken = []
    with Workers(2, lambda: int, "counts", 300) as workers:
        for done, _ in enumerate(workers.map(number for number in range(50) if not taken.append(number))):
            assert len(taken) <= done + 1 + 2 * AHEAD


def test_processes_outlive_a_map():
    with Workers(1, lambda: lambda _: os.getpid(), "says who it is", 300) as workers:
        first, second = (set(workers.map(range(3))) for _ in range(2))
    assert first == second != {os.getpid()}


def bus_error(_):
    faulthandler.disable()  # pytest's, which would print what every thread does
    os.kill(os.getpid(), signal.SIGBUS)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "ended by SIGKILL; the kernel does so when memory is used up"),
        (bus_error, "ended by SIGBUS; shared memory is used up: give a container"),
        (lambda _: os._exit(3), "ended by exit status 3; run again, or use fewer threads"),
        (lambda _: os._exit(0), "failed (A process in the process pool was terminated abruptly"),
    ],
)
def test_a_process_that_dies_is_told_of(end, words):
    assert failure(end).startswith(f"a process that loads images {words}")


def test_a_process_that_hangs_is_told_of_and_killed():
    assert failure(lambda _: time.sleep(999), patience=0.3).startswith("a process that loads images delivered nothing")


def test_processes_that_cannot_be_started_are_told_of(monkeypatch):
    def refused():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    assert failure(int).startswith("cannot start 2 processes (Resource temporarily unavailable); use fewer threads")


def unfit():
    raise UserError("x: is unfit; use y")


@pytest.mark.parametrize("make", [unfit, lambda: lambda _: unfit()])
@pytest.mark.parametrize("processes", [0, 2])
def test_errors_of_the_function_keep_their_line(make, processes):
    with pytest.raises(UserError, match="x: is unfit; use y"), Workers(processes, make, "works", 300) as workers:
        list(workers.map([1]))


def test_a_result_that_cannot_travel_is_an_error():
    with pytest.raises(Exception, match="pickle"):
        results(lambda _: lambda: 0, [0])


def test_without_room_in_shared_memory_results_come_by_another_way(monkeypatch, caplog):
    def full(_):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    found = results(lambda number: (torch.full((300, 200), number).t(), None), range(5))
    assert [(image[0, 0].item(), image.shape) for image, _ in found] == [(number, (200, 300)) for number in range(5)]
    (said,) = caplog.messages
    assert "shared memory is used up" in said
    assert "--shm-size" in said


SMALL = """
import torch
from artefacts.workers import Workers
with Workers(4, lambda: lambda number: torch.full((2**23,), number, dtype=torch.uint8), "loads", 60) as workers:
    held = list(workers.map(range(20)))
assert all((tensor == number).all() for number, tensor in enumerate(held))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a /dev/shm of its own")
def test_the_shared_memory_of_a_container_is_enough():
    command = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$0" -c "$1"'
    words = ["unshare", "--mount", "sh", "-c", command, sys.executable, SMALL]
    ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "shared memory is used up" in ended.stderr


def test_a_signal_ends_the_wait_for_a_process():
    kept = []
    workers = Workers(1, lambda: time.sleep, "sleeps", 300)
    with termination() as stop:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        steps = stop.awaited(workers.map([0, 999]), lambda: kept.append("state"))
        with pytest.raises(SystemExit) as end:
            kept.extend("step" for _ in steps)
    assert (end.value.code, kept) == (128 + signal.SIGTERM, ["step", "state"])


def test_a_signal_within_a_step_waits_for_its_end():
    done = []

    def work(step):
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        done.append(step)

    with termination() as stop, pytest.raises(SystemExit):
        list(map(work, stop.awaited((step for step in range(5)), lambda: done.append("kept"))))
    assert done == [0, 1, "kept"]


def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    def sign_in(_):
        (tmp_path / str(os.getpid())).touch()
        time.sleep(999)

    workers = Workers(2, lambda: sign_in, "waits", 999)
    parent = multiprocessing.get_context("fork").Process(target=lambda: list(workers.map(range(2))))
    parent.start()
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    parent.kill()
    until(lambda: not any(running(path.name) for path in tmp_path.iterdir()))


def running(process: str) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def until(true) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
