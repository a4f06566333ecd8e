"""The lines of docs/use.md that open the page of `reid browse` do; needs gradio (make test-extras EXTRAS=browse)."""

import os
import shlex
import subprocess
from contextlib import chdir

import pytest

from tests.browse import Server
from tests.conftest import PROJECT
from tests.finished_run import write_folder
from tests.pages import blocks_of, run_reid

pytest.importorskip("gradio", reason="needs gradio: make test-extras, or pip install -r envs/extras/browse.txt")
pytestmark = pytest.mark.slow
LINES = [line for block in blocks_of(__file__) for line in block.lines]


@pytest.fixture(scope="module")
def folder(people, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_folder(folder, people, config)
    with chdir(folder):
        run_reid("reid embed photos --model results/synthetic/small/pack --output photos.npz")
    return folder


def in_extra(line: str) -> list[str]:
    """What `envs/extra` is given to run in the extra's environment, which is this one."""
    runner, _, extra, *words = shlex.split(told_by_make(line) if line.startswith("make ") else line)
    assert (runner, extra) == ("envs/extra", "browse")
    return words


def told_by_make(line: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = {"args": ["make", "--dry-run", *shlex.split(line)[1:]], "cwd": PROJECT, "env": environment}
    *_, last = subprocess.run(**command, capture_output=True, text=True, check=True).stdout.splitlines()
    return last


@pytest.mark.parametrize("line", LINES)
def test_a_line_opens_the_page(line, folder, tmp_path):
    """On any port that is free: 7860 may not be."""
    server = Server(tmp_path, [*in_extra(line), "--port", "0"], folder)
    try:
        status, page = server.get("/")
        assert status == 200
        assert b"people/small" in page
        images = len(list(folder.glob("photos/*")))  # as many as the run's gallery
        assert [server.get(f"/image/gallery/{number}")[0] for number in range(images + 1)] == [200] * images + [404]
    finally:
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
