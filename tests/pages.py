"""The fenced blocks of README.md and docs/, and which tests run them as they stand; test_pages.py holds the two
together, so that a block which no test runs cannot be added."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from reid.__main__ import main
from tests.conftest import PROJECT

PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
USE = "docs/use.md"
# File of tests: (page, heading or None for all of the page, language of the fence). Each runs every line of its blocks.
RUN_BY = {
    "tests/workflow/test_make.py": [("README.md", "Two commands", "")],
    "tests/workflow/test_readme.py": [
        ("README.md", "Your own crops", "yaml"),
        ("README.md", "Your own crops", ""),
        ("README.md", "The published datasets", ""),
        ("README.md", "Using a trained model", ""),
        ("README.md", "Clusters", ""),
        ("README.md", "Where things are", ""),
        ("docs/cluster.md", None, ""),
        ("docs/workflow.md", None, "mermaid"),
    ],
    "tests/workflow/test_use_docs.py": [("README.md", None, "python"), (USE, None, "python"), (USE, None, "sh")],
    "tests/workflow/test_demo.py": [(USE, "Using a trained model", "bash")],
    "tests/workflow/test_datasets_docs.py": [
        ("docs/datasets.md", None, "yaml"),
        ("docs/labels.md", None, "yaml"),
        ("docs/recipes.md", None, "yaml"),
    ],
    "tests/unit/parsing/labels/test_overrides.py": [("docs/labels.md", "Which person", "csv")],
    "tests/unit/parsing/quality/test_report.py": [("docs/labels.md", "What labels are worth, and the gate", "text")],
    "tests/workflow/test_faiss.py": [(USE, "Using a trained model", "bash"), (USE, "Large galleries", "bash")],
    "tests/unit/reid/export/test_export.py": [(USE, "Export", "bash"), (USE, "Export", "py")],
    "tests/workflow/test_browse.py": [(USE, "Browse", "bash")],
    "tests/unit/reid/adapters/test_tracklab.py": [(USE, "TrackLab", "bash")],
    "tests/unit/reid/adapters/test_boxmot.py": [(USE, "BoxMOT", "bash"), (USE, "BoxMOT", "py")],
    "tests/unit/reid/export/test_ultralytics.py": [(USE, "Ultralytics", "bash"), (USE, "Ultralytics", "yaml")],
}


@dataclass(frozen=True)
class Block:
    """What stands between two fences, and the heading above them."""

    page: str
    heading: str
    language: str
    code: str

    @property
    def lines(self) -> list[str]:
        """Its commands: continued lines as one, without comments."""
        joined = re.sub(r"\\\n\s*", "", self.code)
        return [words for line in joined.splitlines() if (words := re.sub(r"(^|\s)#.*", "", line).strip())]

    def is_one_of(self, row: tuple[str, str | None, str]) -> bool:
        page, heading, language = row
        return (self.page, self.language) == (page, language) and heading in (None, self.heading)


def blocks_in(page: str, text: str) -> list[Block]:
    """The blocks of a page, from the first to the last."""
    found, heading, fence, code = [], "", None, ""
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            if fence is not None:
                found.append(Block(page, heading, fence, code))
                fence = None
            else:
                fence, code = line[3:].strip(), ""
        elif fence is not None:
            code += line
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
    return found


BLOCKS = [one for page in PAGES for one in blocks_in(str(page.relative_to(PROJECT)), page.read_text(encoding="utf-8"))]


def blocks_of(tests: str, *languages: str) -> list[Block]:
    """The blocks that a file of tests runs, all or those of some languages; `tests` is its __file__."""
    rows = RUN_BY[Path(tests).relative_to(PROJECT).as_posix()]
    blocks = [block for block in BLOCKS if any(block.is_one_of(row) for row in rows)]
    return [block for block in blocks if not languages or block.language in languages]


def run_in_shell(folder: Path, *lines: str) -> None:
    """Run lines of the pages in one shell, in a folder whose `.venv` becomes the environment of these tests."""
    (folder / ".venv").symlink_to(sys.prefix)
    programs = ['reid() { python -m reid "$@"; }', 'snakemake() { python -m snakemake "$@"; }']
    command = ["bash", "-euc", "\n".join([*programs, *lines])]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    told = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    assert told.returncode == 0, told.stdout + told.stderr


def run_reid(line: str) -> str:
    """Run a line of the pages that calls `reid`, and give the name of its command."""
    program, *words = shlex.split(line)
    assert program == "reid", line
    assert main(words) == 0, line
    return words[0]
