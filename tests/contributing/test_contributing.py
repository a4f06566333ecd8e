"""CONTRIBUTING.md shows the examples as they are tested, and they are short."""

import re

import pytest
import yaml

from reid.checkpoints.store import new_model
from reid.config.root import Model
from tests.contributing.conftest import PROJECT, configured

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^`(tests/contributing/\S+)`\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_example_is_shown():
    examples = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "tests/contributing").glob("test_a_*.py")}
    assert {file for file, _ in SHOWN} == examples
    assert len(SHOWN) == TEXT.count("```python") == 4


@pytest.mark.parametrize(("file", "code"), SHOWN)
def test_an_example_is_its_test(file, code):
    assert code == (PROJECT / file).read_text(encoding="utf-8")
    assert code.count("\n") < 30


def test_the_backbone_that_it_names_is_one():
    (written,) = re.findall(r"`backbone: ({.*?})`", TEXT)
    entry = {"recipe": "paper", "backbone": yaml.safe_load(written) | {"weights": None}}
    network = new_model(Model.of(configured(models={"mine": entry}).model("mine")), parts=5, identities=7)
    assert (network.backbone.channels, network.backbone.stride) == (768, 32)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./]+(?:/|\.(?:py|smk|yaml|md)))`", TEXT))))
def test_every_file_that_it_names_is_there(path):
    assert path == "protocol.md" or (PROJECT / path).exists()


def test_every_make_target_that_it_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {"test", "lint", "schema"} <= set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE)) <= targets
