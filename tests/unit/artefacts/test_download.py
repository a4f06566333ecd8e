"""Downloads from a server on this machine: the right file whole, or nothing and one line."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from artefacts import download as module
from artefacts.download import ATTEMPTS, download
from artefacts.errors import UserError
from tests.server import CONTENT, DIGITS, NAME, answering, cut_off, fails, other, right, stalls


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(module, "STALLED", 0.2)


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("before", [(), (cut_off,), (other,), (fails(503),), (stalls,), (cut_off, stalls, fails(500))])
def test_the_file_arrives_whole_whatever_came_before(tmp_path, before):
    with answering(*before, right) as (server, asked):
        download(f"{server}/{NAME}", tmp_path / "a/weights.pth", DIGITS)
    assert asked == [f"/{NAME}"] * (len(before) + 1)
    assert (tmp_path / "a/weights.pth").read_bytes() == CONTENT
    assert left_in(tmp_path / "a") == ["weights.pth"]
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("answer", "reason", "attempts"),
    [
        (other, f"its SHA-256 begins with [0-9a-f]{{16}}, not with {DIGITS}", ATTEMPTS),
        (cut_off, f"its SHA-256 begins with [0-9a-f]{{16}}, not with {DIGITS}", ATTEMPTS),
        (stalls, "timed out", ATTEMPTS),
        (fails(503), "the server says 503 Service Unavailable", ATTEMPTS),
        (fails(404), "the server says 404 Not Found", 1),
    ],
)
def test_what_does_not_arrive_is_one_line_and_leaves_nothing(tmp_path, answer, reason, attempts):
    with answering(answer) as (server, asked):
        message = rf"weights\.pth: cannot be downloaded from {server}/{NAME} \({reason}\); get it some other way"
        with pytest.raises(UserError, match=message):
            download(f"{server}/{NAME}", tmp_path / "weights.pth", DIGITS)
    assert len(asked) == attempts
    assert left_in(tmp_path) == []


def test_without_a_network(tmp_path):
    with answering(right) as (server, _):
        pass
    with pytest.raises(UserError, match=r"\(\[Errno \d+\] Connection refused\); get it some other way"):
        download(f"{server}/{NAME}", tmp_path / "weights.pth", DIGITS)


def test_a_full_disk_is_not_a_broken_connection(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch.hub, "download_url_to_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        download(f"http://127.0.0.1/{NAME}", tmp_path / "weights.pth", DIGITS)


def test_what_a_killed_download_left_is_removed(tmp_path):
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    (tmp_path / f".weights.pth.{process.stdout.strip()}.part.0123.partial").touch()
    (tmp_path / f".weights.pth.{os.getppid()}.part.4567.partial").touch()
    with answering(right) as (server, _):
        download(f"{server}/{NAME}", tmp_path / "weights.pth", DIGITS)
    assert sorted(left_in(tmp_path)) == [f".weights.pth.{os.getppid()}.part.4567.partial", "weights.pth"]
