"""The README and docs/ say what is so: their picture of the workflow, their files, their commands, their links."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from reid.config.files import CONFIGURATION
from tests.pages import blocks_of
from tests.workflow.conftest import PROJECT, write

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXTS = {str(page.relative_to(PROJECT)): page.read_text(encoding="utf-8") for page in PAGES}
BLOCKS = {(block.page, block.heading, block.language): block for block in blocks_of(__file__)}
TREE = BLOCKS.pop(("README.md", "Where things are", ""))
PICTURE = BLOCKS.pop(("docs/workflow.md", "What runs, and which files it makes", "mermaid"))
SHOP = BLOCKS.pop(("README.md", "Your own crops", "yaml"))
ACTIVATE = ". .venv/bin/activate"
COMMANDS = sorted({line for block in BLOCKS.values() for line in block.lines} - {ACTIVATE})
LINKS = [(page, link) for page, text in TEXTS.items() for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text)]


def arrows(mermaid: str) -> set[tuple[str, str]]:
    """Pairs of rules, the second of which reads the first one's output; Snakemake numbers them anew each time."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", mermaid))
    return {(names[start], names[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", mermaid)}


def test_the_picture_is_the_workflow_s(workflow):
    drawn = workflow.snakemake("--rulegraph", "mermaid-js").stdout
    assert arrows(drawn), drawn
    assert arrows(PICTURE.code) == arrows(drawn), "make dag"


def test_every_target_program_and_extra_that_the_pages_name_exists():
    words = "\n".join(TEXTS.values())
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "browse"} <= set(re.findall(r"(?:^|`)make ([a-z-]+)", words, re.MULTILINE)) <= targets
    programs = set(re.findall(r"python\s(benchmarks/\w+\.py)", words))
    assert {"benchmarks/export.py"} <= programs
    assert not [name for name in programs if not (PROJECT / name).is_file()]
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"faiss", "export"} <= set(re.findall(r"pip install '\.\[(\w+)\]'", words)) <= set(extras)
    tested = {path.stem for path in (PROJECT / "envs/extras").glob("*.txt")}
    assert {"boxmot", "tracklab"} <= set(re.findall(r"EXTRAS=(\w+)", words)) <= tested


def test_the_tree_names_every_folder():
    named = {line.split()[0] for line in TREE.code.splitlines() if not line.startswith(" ")}
    assert not [path for path in named if not (PROJECT / path).exists()]
    files = {word.strip("(),;") for word in TREE.code.split() if word.strip("(),;").endswith(".yaml")}
    assert files == {str(path) for path in CONFIGURATION}
    inside = {f"reid/{path.parent.name}/" for path in (PROJECT / "reid").glob("*/__init__.py")}
    rooms = {f"{path.parent.name}/" for path in PROJECT.glob("*/__init__.py")} - {"reid/"}
    assert inside | rooms <= named


def test_the_environment_that_the_pages_activate_has_their_commands(tmp_path):
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = f"{ACTIVATE} && command -v python && command -v snakemake"
    environment = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": "/usr/bin:/bin"}
    told = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert [Path(path).name for path in told.stdout.split()] == ["python", "snakemake"]


def test_it_is_short():
    assert README.count("\n") <= 180


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_to_files(page, link):
    assert link.startswith("https://") or (PROJECT / page).parent.joinpath(link).resolve().exists()


def test_every_page_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", README))
    assert linked == {page for page in TEXTS if page.startswith("docs/")}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_snakemake_command_plans_its_jobs(workflow, command):
    """Datasets are empty folders and given weights empty files here: a dry run looks at no image."""
    workflow.configure("  market1501:\n", f"{SHOP.code}  market1501:\n")
    for root in set(re.findall(r"root: (data/[\w/-]+)", (workflow.folder / "config.yaml").read_text())):
        (workflow.folder / root).mkdir(parents=True, exist_ok=True)
    for file in ("data/pifpaf/shufflenetv2k16.pkl", "data/backbones/resnet50_ibn_a.pth"):
        write(workflow.folder / file, "weights")
    program, *words = shlex.split(command)
    result = workflow.snakemake("--dry-run", *words)
    assert program == "snakemake"
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("picture", re.findall(r"!\[.*?\]\((.+?)\)", README))
def test_its_pictures_are_there(picture):
    assert (PROJECT / picture).is_file()


def test_nothing_is_left_to_fill_in():
    assert not [page for page, text in TEXTS.items() if re.search(r"@@|TODO|TBD|XXX", text)]


def test_parts_are_numbered_in_the_order_of_the_configuration(workflow):
    shell = workflow.snakemake("--dry-run", "--printshellcmds", "results/synthetic/parsing/eight.h5").stdout
    parts = re.search(r'"parts": ?(\{.*?\})', shell).group(1)
    assert re.findall(r'"(\w+)":', parts) == [
        "head", "left_arm", "right_arm", "torso", "left_leg", "right_leg", "left_foot", "right_foot"
    ]  # fmt: skip
