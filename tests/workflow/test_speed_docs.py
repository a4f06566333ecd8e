"""What docs/speed.md and README.md say of speed is what the kept reports say."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.report import PROJECT, Row, missed, write_report
from benchmarks.report.__main__ import BEGIN, BLOCKS, END, KEPT, PAGE, README, page, preparation, reports, tables

ROWS: list[Row] = [
    {"what": "fast", "theirs": 6.0, "ours": 2.0, "ratio": 3.0, "target": 2},
    {"what": "slow", "theirs": 3.0, "ours": 2.0, "ratio": 1.5, "target": 2},
    {"what": "small", "theirs": 1000.0, "ours": 300.0, "ratio": 0.3, "most": 0.4},
    {"what": "large", "theirs": 1000.0, "ours": 500.0, "ratio": 0.5, "most": 0.4},
    {"what": "told", "theirs": None, "ours": 500.0, "ratio": None},
]


@pytest.mark.parametrize("path", BLOCKS, ids=lambda path: path.name)
def test_pages_have_the_numbers_of_the_reports(path):
    """Else: make speed-docs."""
    assert path.read_text() == page(path.read_text(), BLOCKS[path](reports(KEPT)))


UNITS = r"s|ms|seconds?|minutes?|hours?|[KMG]i?B|gigabytes|%|times|GFLOP/s|images a second|points"


def typed(path: Path) -> str:
    """A page without what is generated, programs and names."""
    text = path.read_text()
    text = text.partition(BEGIN)[0] + text.partition(END)[2]
    text = re.sub(r"^```.*?^```$|`[^`]*`|\]\(.*?\)", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\b[A-Za-z][\w-]*\d[\w-]*", "", text)


def test_no_measured_number_is_typed():
    assert not re.findall(r"\b\d[\d.,]*\b.*", typed(PAGE))
    assert not re.findall(rf"\b(?:\d[\d.,]*|two|three|four|five|six|ten) (?:{UNITS})\b", typed(README))


def test_the_page_of_labels_has_the_numbers_of_its_reports():
    text, found = (PROJECT / "docs/labels.md").read_text(), reports(KEPT)
    ious = [f"| {row['theirs']:.3f} | {row['ours']:.3f} |" for row in found["torso"]["rows"]]
    assert [iou for iou in ious if iou in text] == ious
    rights = {row["what"].partition(",")[0]: row["ours"] for row in found["targets"]["rows"] if not row["theirs"]}
    assert set(rights) == {"head", "score", "central", "largest"}
    for policy, right in rights.items():
        assert re.search(rf"^\| `{policy}`.*\| {100 * right:.1f} % \|", text, re.MULTILINE)


@pytest.mark.parametrize("program", sorted(path.stem for path in KEPT.glob("*.json")))
def test_a_kept_report_says_where_and_when_it_was_measured(program):
    report = reports(KEPT)[program]
    assert report["measured"]["processor"]
    assert report["measured"]["commit"].rstrip("+").isalnum()
    assert {"python", "torch"} <= set(report["measured"])
    assert (KEPT.parent / f"{program}.py").exists()
    assert all(row["what"] and (row["ours"] or row["ratio"]) and {"theirs"} <= set(row) for row in report["rows"])


def test_a_report_that_is_kept_is_in_the_tables(tmp_path):
    write_report(tmp_path / "loading.json", ROWS)
    measured = json.loads((tmp_path / "loading.json").read_text())["measured"]
    text = page(PAGE.read_text(), tables(reports(tmp_path)))
    lines = [line.replace(" ", "") for line in text.splitlines()]
    assert "|`loading.py`|fast|6|2|3|2|" in lines
    assert "|`loading.py`|large|1,000|500|0.5|atmost0.4|" in lines
    assert "|`loading.py`|told||500|||" in lines
    assert measured["processor"] in text
    assert measured["commit"] in text
    assert "evaluation.py`|" not in "".join(lines)
    assert page(text, tables(reports(KEPT))) == PAGE.read_text()


def test_the_readme_says_what_30_000_images_take():
    spent = {"manifest": 12.34, "check of the protocol": 1.5, "dry run": 5.0}
    rows = [{"what": f"30,000 images, {name}, CPU s at most", "ours": seconds} for name, seconds in spent.items()]
    text = " ".join(preparation({"processes": {"rows": [{"what": "stage fields", "ours": 1.0}, *rows]}}).split())
    assert "30,000 images is listed in 12.3 CPU seconds and checked in 1.5; a dry run" in text
    assert "takes 5 (" in text


def test_what_is_not_as_wanted_is_named():
    assert missed(ROWS) == ["slow", "large"]
