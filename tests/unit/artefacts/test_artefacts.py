"""Files are whole or absent, errors are one line, and digests see code alone."""

import csv
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artefacts.command import run
from artefacts.files import FORMULA, original, replacing, write_csv, write_text
from artefacts.provenance import code_digest, import_closure


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "file"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(FileNotFoundError), replacing(path) as temporary:
        (temporary.write_text("half"), (tmp_path / "missing").read_text())
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


WRITE = """
import os, signal, sys, time
from pathlib import Path
from artefacts import command
from artefacts.files import replacing
class Stage:
    def add_arguments(parser): parser.add_argument("path", type=Path)
    def run(arguments):
        with replacing(arguments.path) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
            time.sleep(9)
sys.modules["reid.stages.write"] = Stage
sys.exit(command.run("reid", {"write": ""}, ["write", sys.argv[1]]))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_what_a_killed_stage_leaves_is_gone_after_the_next(tmp_path, name):
    path = tmp_path / "file"
    environment = {**os.environ, "SIGNAL": name}
    ended = subprocess.run([sys.executable, "-c", WRITE, str(path)], env=environment, check=False)
    assert ended.returncode == (143 if name == "SIGTERM" else -signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == (name == "SIGKILL")
    write_text(path, "whole")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_file_that_another_process_writes_is_left_alone(tmp_path):
    other = tmp_path / f".file.{os.getppid()}.part"
    other.write_text("being written")
    write_text(tmp_path / "file", "whole")
    assert other.exists()


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ('{"root": "x", "images": 1, "foo": 1}', "error: --config: foo: unknown key"),
        (
            '{"root": "x", "images": "3e0"}',
            "error: --config: images: Input should be a valid integer, but '3e0' is a string",
        ),
        ("{", "error: --config: Invalid JSON"),
    ],
)
def test_a_wrong_slice_is_one_line(config, line, capsys):
    words = ["attention", "--config", config, "--embeddings", "e", "--labels", "l", "--picture", "p"]
    assert run("reid", {"attention": ""}, words) == 1
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith(line)


def test_a_closure_reaches_what_a_stage_executes_and_no_more():
    closure = import_closure("reid.stages.evaluate")
    assert {"reid.stages.evaluate", "reid.evaluation.distance", "artefacts.files"} <= closure
    assert not {"reid.losses.gilt", "reid.training.loop", "parsing.pifpaf.network"} & closure
    assert "reid.losses.triplet" in import_closure("reid.stages.train")
    assert code_digest("reid.stages.train") != code_digest("reid.stages.embed")


@given(st.lists(st.text(max_size=5) | st.sampled_from(["=1+1", "@x", "-a", "-1.5", "'=", "+1"]), min_size=1))
def test_what_a_table_holds_is_no_formula_and_comes_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    texts = [text.replace("\r", "").replace("\0", "") for text in texts if text.isprintable()] or ["=1+1"]
    write_csv(path, [texts])
    with open(path, newline="", encoding="utf-8") as file:
        (line,) = csv.reader(file)
    assert [original(text) for text in line] == texts
    for text in line:
        assert not text.startswith(FORMULA) or float(text) is not None
