"""Jobs side by side take different GPUs, as many as they were given, and leave them when they end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artefacts.gpus import VISIBLE, take_gpus, torch_device, visible_gpus

JOB = """
import os, sys
from pathlib import Path
from artefacts.gpus import VISIBLE, take_gpus
take_gpus(int(sys.argv[1]), Path(sys.argv[2]))
print(os.environ[VISIBLE], flush=True)
sys.stdin.read()
"""


def start(folder: Path, count: int = 1, visible: str = "0,1,2") -> subprocess.Popen:
    environment = os.environ | {VISIBLE: visible}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", JOB, str(count), folder], env=environment, text=True, **pipes)


def taken(job: subprocess.Popen) -> list[str]:
    return job.stdout.readline().strip().split(",")


def test_jobs_take_different_gpus_and_leave_them_even_if_killed(tmp_path):
    jobs = [start(tmp_path) for _ in range(3)]
    gpus = [taken(job) for job in jobs]
    assert sorted(gpus) == [["0"], ["1"], ["2"]]
    jobs[1].kill()
    jobs[1].wait()
    again = start(tmp_path)
    assert taken(again) == gpus[1]
    for job in (jobs[0], jobs[2], again):
        job.communicate("")


def test_one_job_may_have_several_and_the_rest_is_shared_aloud(tmp_path):
    first = start(tmp_path, 2)
    assert taken(first) == ["0", "1"]
    second = start(tmp_path, 2)
    assert taken(second) == ["2", "0"]
    assert "only 1 of 3 GPUs are free, 2 are wanted: sharing" in second.communicate("")[1]
    first.communicate("")


def test_a_scheduler_s_choice_is_left_alone(tmp_path, monkeypatch):
    for chosen in ("1", "GPU-8f2a", ""):
        monkeypatch.setenv(VISIBLE, chosen)
        take_gpus(1, tmp_path)
        assert os.environ[VISIBLE] == chosen
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA H200 (UUID: GPU-2)'", ["0", "1"]),
        ("echo 'NVIDIA-SMI has failed'; exit 9", []),
    ],
)
def test_all_gpus_are_those_that_the_driver_lists(tmp_path, monkeypatch, script, expected):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert visible_gpus() == expected
    (tmp_path / "nvidia-smi").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []


def test_torch_computes_on_a_gpu_where_it_finds_one(monkeypatch):
    monkeypatch.setenv(VISIBLE, "")
    assert torch_device() == "cpu"
    monkeypatch.setenv(VISIBLE, "3")
    for found, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda found=found: found)
        assert torch_device() == device
