"""Nothing is shown in README.md or docs/ that no test runs."""

import pytest

from tests.pages import BLOCKS, PAGES, RUN_BY, blocks_in
from tests.workflow.conftest import PROJECT

ROWS = [row for rows in RUN_BY.values() for row in rows]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{block.heading}-{block.language}")
def test_every_block_is_run_by_a_test(block):
    assert any(block.is_one_of(row) for row in ROWS), "run it in a test, and name that in tests/pages.py"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_test_has_a_block_to_run(row):
    assert any(block.is_one_of(row) for block in BLOCKS)


@pytest.mark.parametrize("tests", RUN_BY)
def test_a_test_takes_its_blocks_from_the_page(tests):
    assert "blocks_of(__file__" in (PROJECT / tests).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_is_the_edge_of_a_block(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks_in("", text))


def test_commands_are_whole_lines_without_comments():
    text = "# A\n```sh\n# no heading\nreid a \\\n    --b # why\n\nreid c\n```\n## B\n```\n```\n"
    first, second = blocks_in("page", text)
    assert (first.heading, first.language, second.heading, second.language) == ("A", "sh", "B", "")
    assert first.lines == ["reid a --b", "reid c"]
