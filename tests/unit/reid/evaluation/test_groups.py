"""Queries measured apart by group, from the CSV to metrics.json and a table."""

import json

import numpy as np
import pytest

from artefacts.command import run
from artefacts.errors import UserError
from reid.config.root import Matching, Table
from reid.embeddings.store import reading
from reid.evaluation.groups import read_groups
from reid.evaluation.retrieval import retrieve
from reid.report.tables import lines
from tests.embeddings import fabricate, write
from tests.people import stage

QUERY, GALLERY = fabricate(1, 30), fabricate(2, 90)
MATCHING = {"embeddings": ["foreground", "parts"], "visibility": True}
OCCLUDED = {key for number, key in enumerate(QUERY.key) if number % 3 == 0}


@pytest.fixture
def files(tmp_path):
    """Embeddings, and a CSV in another order, with another column and an image that is no query."""
    lines = [f"{'occluded' if key in OCCLUDED else 'whole'},7,{key}" for key in reversed(QUERY.key)]
    groups = tmp_path / "groups.csv"
    groups.write_text("\n".join(["group,severity,key", *lines, "whole,0,gallery/1.jpg"]) + "\n")
    return write(tmp_path / "seed1/embeddings.h5", QUERY, GALLERY), groups


def evaluated(files, **options) -> dict:
    metrics = files[0].with_name("default.json")
    config = {"name": "default", "matching": MATCHING}
    assert stage("evaluate", config=config, embeddings=files[0], metrics=metrics, **options) == 0
    return json.loads(metrics.read_text())


def test_groups_are_measured_apart_and_the_rest_stays(files):
    plain = evaluated(files)["results"]["default"]
    apart = evaluated(files, groups=files[1])
    groups = apart["results"]["default"].pop("by_group")
    assert apart["results"]["default"] == plain
    assert str(files[1]) in json.dumps(apart["provenance"]) or "groups" in apart["provenance"]["inputs"]
    with reading(files[0]) as file:
        measured = retrieve(file, Matching(**MATCHING)).measures
    for name, found in groups.items():
        mine = [number for number, key in enumerate(QUERY.key) if (key in OCCLUDED) == (name == "occluded")]
        assert found["queries"] == len(mine)
        assert found["measures"]["mAP"] == pytest.approx(np.mean([measured.average_precision[one] for one in mine]))
        assert found["measures"]["rank-1"] == pytest.approx(np.mean([measured.first[one] == 1 for one in mine]))
    assert list(groups) == ["occluded", "whole"]


def test_a_table_shows_groups_in_columns(files, tmp_path):
    groups = evaluated(files, groups=files[1])["results"]["default"]["by_group"]
    config = {"dataset": "d", "model": "m", "matching": "default", "extra_matchings": [], "seeds": [1]}
    words = ["--config", json.dumps(config | {"recipe": "paper", "batch_size": 64})]
    words += ["--metrics", str(files[0].with_name("default.json")), "--summary", str(tmp_path / "m.json")]
    assert run("reid", {"summarise": ""}, ["summarise", *words]) == 0
    content = json.loads((tmp_path / "m.json").read_text())
    row = {"label": "ours", "dataset": "d", "model": "m", "matching": "default", "group": ["occluded", "whole"]}
    ((label, results),) = lines(Table(title="T", rows=[row]), [content])
    assert (label, list(results)) == ("ours", ["d occluded", "d whole"])
    for column, result in results.items():
        assert result.mean("mAP") == pytest.approx(100 * groups[column[2:]]["measures"]["mAP"])
    with pytest.raises(UserError, match=r"d/m has no queries of group 'hidden'; .*gives occluded, whole"):
        lines(Table(title="T", rows=[row | {"group": "hidden"}]), [content])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("key;group\n", "must name the columns key and group"),
        ("key,group\na.jpg\n", "line 2: does not give key and group"),
        ("key,group\na.jpg,\n", "line 2: does not give key and group"),
        ("key,group\na.jpg,x\na.jpg,y\n", "line 3: a.jpg is listed twice"),
    ],
)
def test_a_wrong_file_is_told_by_line(tmp_path, text, words):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        read_groups(path)


def test_a_query_without_a_group_is_named(files, capsys):
    files[1].write_text(f"key,group\n{QUERY.key[0]},whole\n")
    config = {"name": "default", "matching": MATCHING}
    metrics = files[0].with_name("default.json")
    assert stage("evaluate", config=config, embeddings=files[0], metrics=metrics, groups=files[1]) == 1
    assert f"{files[1]}: has no group of query {QUERY.key[1]} (29 missing)" in capsys.readouterr().err
    assert not metrics.exists()
