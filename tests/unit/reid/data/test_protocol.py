"""What a search can find, what is wrong with a dataset, and the report that says so in plain words."""

import csv
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artefacts.errors import UserError
from artefacts.manifest import ImageRow, read_manifest, write_manifest
from reid.config.stages import ProtocolConfig
from reid.data.protocol import count_positives, problems
from reid.evaluation.ranking import protocol
from reid.report.protocol import code, report
from tests.people import stage


def row(key="q", split="query", identity=1, camera=1, sha256=None, width=64) -> ImageRow:
    return ImageRow(key, split, identity, camera, width, 128, sha256 or key, f"Person {identity}", f"till | {camera}")


GALLERY = [row("g1", "gallery", 1, 2), row("g2", "gallery", 2, 1), row("g3", "gallery", 0, 1)]
TRAIN = [row("t1", "train", 7, 1), row("t2", "train", 7, 2)]
GOOD = [row("q1"), *GALLERY, *TRAIN]


@pytest.mark.parametrize(
    ("more", "name", "cases"),
    [
        ([row("q", identity=3)], "absent", ["q"]),
        ([row("q", identity=2)], "one_camera", ["q"]),
        ([row("t", "train", 1), row("u", "train", 1)], "shared_identities", ["Person 1"]),
        ([row("t", "train", 7, sha256="g1")], "copies", ["g1 = t"]),
        ([row("q", camera=3, sha256="g1")], "copies", ["g1 = q"]),
        ([row("a", "gallery", 8, sha256="same"), row("b", "gallery", 9, sha256="same")], "contradictions", ["a = b"]),
        ([row("t", "train", 8)], "single_images", ["Person 8"]),
        ([row("t", "train", 8), row("u", "train", 8, width=0)], "single_images", ["Person 8"]),
        ([row("g", "gallery", 1, 2, width=0)], "unreadable", ["g"]),
    ],
)
def test_what_is_wrong_is_found(more, name, cases):
    rows = sorted([*GOOD, *more])
    found = {problem.name: problem.cases for problem in problems(rows, count_positives(rows))}
    assert found.pop(name) == cases
    assert set(found) <= {"unreadable", "contradictions"}


@pytest.mark.parametrize(
    "more",
    [
        [row("q", camera=2, sha256="g1")],  # its copy in the gallery is left out
        [row("a", "gallery", 1, 2, sha256="g1")],
        [row("a", "train", 7, 2, sha256="t2")],
        [row("d", "gallery", 0, 3)],
    ],
)
def test_what_does_no_harm_is_not_reported(more):
    rows = sorted([*GOOD, *more, row("g", "gallery", 1, 1)])
    assert problems(rows, count_positives(rows)) == []


def test_cameras_that_are_not_known_are_reported():
    rows = [one._replace(camera_name="") for one in [row("q1"), row("g1", "gallery", 1, 2), row("g2", "gallery", 2, 2)]]
    (problem,) = problems(rows, count_positives(rows))
    assert (problem.name, problem.cases) == ("no_cameras", ["q1"])


def test_known_cameras_that_never_meet_are_no_finding():
    rows = [row("q1"), row("g1", "gallery", 1, 2)]
    assert problems(rows, count_positives(rows)) == []


def test_a_good_dataset_has_no_finding(people):
    rows = read_manifest(people.manifest)
    assert problems(rows, count_positives(rows)) == []


images = st.lists(st.tuples(st.sampled_from(["query", "gallery"]), st.integers(0, 3), st.integers(1, 3)), max_size=30)


@given(images)
def test_right_answers_are_those_of_the_evaluation(drawn):
    rows = [row(f"{n}", split, who + (split == "query"), camera) for n, (split, who, camera) in enumerate(drawn)]
    query, gallery = ([one for one in rows if one.split == split] for split in ("query", "gallery"))
    columns = [
        np.array([getattr(one, name) for one in part], int)
        for name in ("identity", "camera")
        for part in (query, gallery)
    ]
    expected = [one.positives for one in count_positives(rows)]
    try:
        assert protocol(*columns).positives.tolist() == expected
    except UserError:
        assert not any(expected)


def test_unreadable_images_are_not_within_reach():
    (reach,) = count_positives(
        [row("q"), row("a", "gallery", 1, 2), row("b", "gallery", 1, 3, width=0), row("c", "gallery", 1, 1)]
    )
    assert (reach.positives, reach.left_out) == (1, 1)
    assert count_positives([row("q", width=0)]) == []


def shown(markdown: str) -> str:
    """What a reader sees of a line that is a single code span, by the rules of CommonMark 6.1."""
    fence = re.match("`+", markdown).group()
    inside = markdown[len(fence) : -len(fence)]
    assert markdown.endswith(fence)
    assert fence not in re.findall("`+", inside)
    padded = len(inside) > 1 and inside[0] == inside[-1] == " " and inside.strip()
    return inside[1:-1] if padded else inside


@pytest.mark.parametrize(
    "text", ["a|b", "[x](javascript:alert(1))", "<script>", "`code`", "a``b", "`", " x ", "www.x.y"]
)
def test_foreign_names_are_shown_letter_by_letter(text):
    assert shown(code(text)) == text


@given(st.text(st.sampled_from("`ab \n\u202e|<")))
def test_no_name_becomes_markup(text):
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    assert code(text).isprintable()
    assert (shown(code(text)) == printable) if printable.strip() else (code(text) == "")


def test_the_report_says_what_is_wrong_and_how_to_go_on():
    rows = sorted([*GOOD, *(row(f"q|{number:02d}", identity=3) for number in range(12))])
    found = rows, count_positives(rows), problems(rows, count_positives(rows))
    text = report(ProtocolConfig(name="own", allow=[], unreadable="fail"), *found)
    assert "### absent: stops the workflow" in text
    assert "Queries of people whom the gallery does not show: 12." in text
    assert "add absent to datasets.own.allow" in text
    assert "- `q|00`" in text
    assert "- and 2 more" in text
    assert "| query | 13 | 0 | 2 | 1 to 12, half of them up to 6 | 1 | 1 | 0 |" in re.sub(" +", " ", text)
    assert "| 2 | `till | 2` |" not in text
    assert "| 2 | `till \\| 2` |" in re.sub(" +", " ", text)
    allowed = report(ProtocolConfig(name="own", allow=["absent"], unreadable="fail"), *found)
    assert "### absent: allowed" in allowed
    assert "To go on" not in allowed


@pytest.fixture
def spoilt(people, tmp_path):
    """A manifest with a query of an unknown person and a query that cannot be read."""
    lost = ImageRow("query/=1.jpg", "query", 99, 1, 64, 128, "0" * 64, "Ann | Bo", "1")
    broken = ImageRow("query/2.jpg", "query", 5, 1, 0, 0, "1" * 64, "0005", "1")
    write_manifest(tmp_path / "manifest.csv", [*read_manifest(people.manifest), lost, broken])
    return tmp_path / "manifest.csv"


@pytest.mark.parametrize(
    ("allow", "unreadable", "ways"),
    [
        (
            [],
            "fail",
            "; also unreadable. Add images|add absent to datasets.own.allow and set labels.unreadable to leave",
        ),
        ([], "leave_out", "'query/=1.jpg'. Add images|add absent to datasets.own.allow"),
        (["absent"], "fail", "images that cannot be read: 1, first 'query/2.jpg'|set labels.unreadable to leave_out"),
    ],
)
def test_what_is_not_allowed_stops(spoilt, tmp_path, capsys, allow, unreadable, ways):
    config = {"name": "own", "allow": allow, "unreadable": unreadable}
    outputs = {"report": tmp_path / "log/protocol.md", "accepted": tmp_path / "accepted.txt"}
    assert stage("check", config=config, manifest=spoilt, **outputs) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"error: {outputs['report']}: ")
    assert line.count("\n") == 1
    assert all(words in line for words in ways.split("|"))
    assert "stops the workflow" in outputs["report"].read_text()
    assert not outputs["accepted"].exists()


def test_what_is_allowed_goes_on(spoilt, tmp_path):
    config = {"name": "own", "allow": ["absent"], "unreadable": "leave_out"}
    outputs = {"report": tmp_path / "protocol.md", "accepted": tmp_path / "accepted.txt"}
    assert stage("check", config=config, manifest=spoilt, **outputs) == 0
    assert outputs["accepted"].read_text() == "absent: 1\nunreadable: 1\n"


def test_the_protocol_is_written_for_people_and_programs(spoilt, tmp_path):
    config = {"name": "own", "allow": ["absent"], "unreadable": "fail"}
    outputs = {"report": tmp_path / "p.md", "findings": tmp_path / "p.json", "queries": tmp_path / "q.csv"}
    folder = {
        "junk": 3,
        "splits": [],
        "passed_over": [{"ending": ".heic", "reason": "not_an_image", "files": 9, "first": "a"}],
    }
    (tmp_path / "folder.json").write_text(json.dumps(folder))
    assert stage("protocol", config=config, manifest=spoilt, folder=tmp_path / "folder.json", **outputs) == 0
    assert "3 more images are junk" in outputs["report"].read_text()
    assert "### unreadable: stops the workflow" in outputs["report"].read_text()
    content = json.loads(outputs["findings"].read_text())
    assert content["images"]["query"] == {"images": 14, "unreadable": 1}
    assert {name: content[name] for name in folder} == folder
    assert [(one["name"], one["allowed"], one["cases"]) for one in content["findings"]] == [
        ("absent", True, ["query/=1.jpg"]), ("unreadable", False, ["query/2.jpg"]),
    ]  # fmt: skip
    with open(outputs["queries"], newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 13
    assert {one["positives"] for one in found if one["identity"] != "99"} == {"2"}
    assert [one["identity_name"] for one in found if one["positives"] == "0"] == ["Ann | Bo"]
