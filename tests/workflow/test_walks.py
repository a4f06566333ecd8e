"""CONTRIBUTING's ways from a key of the configuration to the function that uses it are short, and are as they stand."""

import re

import pytest

from tests.workflow.conftest import PROJECT

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALKS = dict(re.findall(r"^- `(\w+)`: ((?:`[^`]+`(?: \(`\w+`\))?,?\s+)+)", TEXT, re.MULTILINE))


@pytest.mark.parametrize(("key", "files"), [("margin", 8), ("threshold", 6)])
def test_a_key_is_followed_in_few_files(key, files):
    """The key stands at both ends; on the way a file names what it or a later one defines."""
    steps = re.findall(r"`([\w/.]+)`(?: \(`(\w+)`\))?", WALKS[key])
    texts = [(PROJECT / file).read_text(encoding="utf-8") for file, _ in steps]
    assert len(steps) <= files
    assert re.search(rf"\b{key}: ", texts[0])
    assert re.search(rf"\b{key}\b", texts[-1])
    for number, (file, name) in enumerate(steps):
        if name:
            assert re.search(rf"\b{name}\b", texts[number]), f"{file} does not name {name}"
            assert any(re.search(rf"^(class|def) {name}\b", text, re.MULTILINE) for text in texts[number:]), name
