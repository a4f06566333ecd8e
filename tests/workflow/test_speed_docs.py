"""The tables of docs/speed.md are those of the kept reports."""

import json

import pytest

from benchmarks.report import Row, missed, write_report
from benchmarks.report.__main__ import KEPT, PAGE, page, reports

ROWS: list[Row] = [
    {"what": "fast", "theirs": 6.0, "ours": 2.0, "ratio": 3.0, "target": 2},
    {"what": "slow", "theirs": 3.0, "ours": 2.0, "ratio": 1.5, "target": 2},
    {"what": "small", "theirs": 1000.0, "ours": 300.0, "ratio": 0.3, "most": 0.4},
    {"what": "large", "theirs": 1000.0, "ours": 500.0, "ratio": 0.5, "most": 0.4},
    {"what": "told", "theirs": None, "ours": 500.0, "ratio": None},
]


def test_the_page_has_the_numbers_of_the_reports():
    """Else: make speed-docs."""
    assert PAGE.read_text() == page(PAGE.read_text(), reports(KEPT))


@pytest.mark.parametrize("program", sorted(path.stem for path in KEPT.glob("*.json")))
def test_a_kept_report_says_where_and_when_it_was_measured(program):
    report = reports(KEPT)[program]
    assert report["measured"]["processor"]
    assert report["measured"]["commit"].rstrip("+").isalnum()
    assert (KEPT.parent / f"{program}.py").exists()
    assert all(row["what"] and {"theirs", "ours", "ratio"} <= set(row) for row in report["rows"])


def test_a_report_that_is_kept_is_in_the_tables(tmp_path):
    write_report(tmp_path / "loading.json", ROWS)
    measured = json.loads((tmp_path / "loading.json").read_text())["measured"]
    text = page(PAGE.read_text(), reports(tmp_path))
    lines = [line.replace(" ", "") for line in text.splitlines()]
    assert "|`loading.py`|fast|6|2|3|2|" in lines
    assert "|`loading.py`|large|1,000|500|0.5|atmost0.4|" in lines
    assert "|`loading.py`|told||500|||" in lines
    assert measured["processor"] in text
    assert measured["commit"] in text
    assert "evaluation.py`|" not in "".join(lines)
    assert page(text, reports(KEPT)) == PAGE.read_text()


def test_what_is_not_as_wanted_is_named():
    assert missed(ROWS) == ["slow", "large"]
