"""The README says what is so: its picture of the workflow, its files, its commands, its messages."""

import re

import pytest

from tests.workflow.conftest import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def arrows(mermaid: str) -> set[tuple[str, str]]:
    """Pairs of rules, the second of which reads the first one's output; Snakemake numbers them anew each time."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", mermaid))
    return {(names[start], names[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", mermaid)}


def test_the_picture_is_the_workflow_s(workflow):
    drawn = workflow.snakemake("--rulegraph", "mermaid-js").stdout
    (shown,) = re.findall(r"^```mermaid\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert arrows(drawn), drawn
    assert arrows(shown) == arrows(drawn), "make dag"


def test_every_make_target_that_it_names_exists():
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("picture", re.findall(r"!\[.*?\]\((.+?)\)", README))
def test_its_pictures_are_there(picture):
    assert (PROJECT / picture).is_file()


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@@|TODO|TBD|XXX", README)


def test_parts_are_numbered_in_the_order_of_the_configuration(workflow):
    shell = workflow.snakemake("--dry-run", "--printshellcmds", "results/synthetic/parsing/eight.h5").stdout
    parts = re.search(r'"parts": (\{.*?\})', shell).group(1)
    assert re.findall(r'"(\w+)":', parts) == [
        "head", "left_arm", "right_arm", "torso", "left_leg", "right_leg", "left_foot", "right_foot"
    ]  # fmt: skip
