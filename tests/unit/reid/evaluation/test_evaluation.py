"""From embeddings to metrics, tables and pictures by the stages' own command lines."""

import csv
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artefacts.command import run
from reid.config.root import Matching
from reid.embeddings.store import reading
from reid.evaluation.distance import part_to_part_distance
from reid.evaluation.ranking import measures, protocol, ranked
from reid.evaluation.retrieval import report, retrieve
from reid.report.figures.ranking import choose
from tests.embeddings import NAMES, fabricate, write
from tests.people import stage

PROJECT = Path(__file__).resolve().parents[4]
QUERY, GALLERY = fabricate(1, 12), fabricate(2, 90)
GALLERY.identity[:7] = 0
DEFAULT = {"embeddings": ["foreground", "parts"], "visibility": True}
EACH = {"embeddings": ["global", "concatenated", "parts"], "visibility": True, "separately": True}


@pytest.fixture
def embeddings(tmp_path):
    return write(tmp_path / "seed1/embeddings.h5", QUERY, GALLERY)


def test_distances_of_a_reranked_gallery_are_not_calibrated(embeddings):
    rerank = {"k1": 6, "k2": 3, "original_weight": 0.3}
    with reading(embeddings) as file:
        got = report(file, Matching.model_validate(DEFAULT))
        reranked = report(file, Matching.model_validate(DEFAULT | {"rerank": rerank}))
    assert got["calibration"]["probabilities"]
    assert got["calibration"]["thresholds"] == dict.fromkeys(("1e-2", "1e-3", "1e-4"))  # of 12 x 90 pairs
    assert (reranked["calibration"], reranked["reliability"]) == (None, None)


def test_a_report_is_the_formulas_applied(embeddings):
    seen = QUERY.visibility[:, 2:], GALLERY.visibility[:, 2:]
    distances = part_to_part_distance(QUERY.features[:, 2:], GALLERY.features[:, 2:], *seen)
    pairs = protocol(QUERY.identity, GALLERY.identity, QUERY.camera, GALLERY.camera)
    expected = measures(pairs.offsets, ranked(distances.astype(np.float32), pairs).ranks)
    with reading(embeddings) as file:
        got = report(file, Matching(embeddings=["parts"], visibility=True))
    assert got["measures"] == pytest.approx(expected.summary(), abs=1e-9)
    assert got["cmc"][0] == got["measures"]["rank-1"]
    counts, parts = got["counts"], QUERY.visibility[:, 2:].sum(axis=1)
    assert counts["pairs_with_nothing_in_common"] == np.isinf(distances).sum() > 0
    common = (seen[0][:, None] & seen[1][None]).sum(axis=2)
    assert counts["embeddings_compared_per_pair"] == pytest.approx(common.mean())
    assert (counts["queries"], counts["gallery"], counts["distractors"]) == (12, 90, 7)
    assert {row["visible_parts"]: row["queries"] for row in got["by_visible_parts"]} == {
        int(n): int((parts == n).sum()) for n in np.unique(parts)
    }
    for row in got["by_visible_parts"]:
        mean = expected.average_precision[parts == row["visible_parts"]].mean()
        assert row["mAP"] == pytest.approx(mean, abs=1e-9)
    assert len(got["cmc"]) == 50
    shown = seen[0][pairs.rows] & seen[1][pairs.columns]
    assert_by_mutually_visible_parts(got["by_mutually_visible_parts"], distances, pairs, shown.sum(axis=1))


def assert_by_mutually_visible_parts(got, distances, pairs, parts):
    """Against precision counted in a sorted list, positive by positive."""
    terms = {int(number): [] for number in np.unique(parts)}
    for query, image, number in zip(pairs.rows, pairs.columns, parts, strict=True):
        left_out = pairs.ignored_columns[pairs.ignored_rows == query]
        order = [other for other in np.argsort(distances[query], kind="stable") if other not in left_out]
        first = order[: order.index(image) + 1]
        terms[int(number)].append(np.isin(first, pairs.columns[pairs.rows == query]).mean())
    assert [(row["visible_parts"], row["pairs"]) for row in got] == [(n, len(terms[n])) for n in sorted(terms)]
    assert [row["precision"] for row in got] == pytest.approx([np.mean(terms[n]) for n in sorted(terms)], abs=1e-6)


def with_identities(tmp_path, identity):
    return write(tmp_path / "e.h5", dataclasses.replace(QUERY, identity=identity), GALLERY)


def test_queries_without_a_positive_are_counted_and_told(tmp_path, capsys):
    identity = QUERY.identity.copy()
    identity[3] = 99
    metrics = evaluated(with_identities(tmp_path, identity), "default", DEFAULT)
    counts = json.loads(metrics.read_text())["results"]["default"]["counts"]
    assert (counts["queries"], counts["queries_without_positive"]) == (12, 1)
    assert "1 of 12 queries have no image of another camera" in capsys.readouterr().out


def test_a_file_in_which_nothing_can_be_found_is_named(tmp_path, capsys):
    embeddings = with_identities(tmp_path, QUERY.identity + 50)
    config = {"name": "default", "matching": DEFAULT}
    assert stage("evaluate", config=config, embeddings=embeddings, metrics=tmp_path / "default.json") == 1
    assert f"{embeddings}: no query identity" in capsys.readouterr().err
    assert not (tmp_path / "default.json").exists()


def test_first_images_of_chosen_queries(embeddings):
    with reading(embeddings) as file:
        everything = retrieve(file, Matching(**DEFAULT), keep=5)
        chosen = retrieve(file, Matching(**DEFAULT), keep=5, chosen=np.array([8, 3]))
    np.testing.assert_array_equal(chosen.nearest, everything.nearest[[8, 3]])
    np.testing.assert_array_equal(chosen.query_visible, everything.query_visible[[8, 3]])
    np.testing.assert_array_equal(everything.correct, GALLERY.identity[everything.nearest] == QUERY.identity[:, None])


def test_chosen_queries_are_occluded_best_and_worst_of_different_people(embeddings):
    with reading(embeddings) as file:
        found = retrieve(file, Matching(**DEFAULT))
    picked = choose(found, QUERY.score, 3)
    assert [why for _, why in picked] == ["most occluded", "best", "worst"]
    assert found.query_visible[picked[0][0]].sum() == found.query_visible.sum(axis=1).min()
    assert len({QUERY.identity[query] for query, _ in picked}) == 3
    assert len(choose(found, QUERY.score, 50)) == found.measures.measured.sum()


def evaluated(embeddings, name, matching):
    metrics = embeddings.with_name(f"{name}.json")
    assert stage("evaluate", config={"name": name, "matching": matching}, embeddings=embeddings, metrics=metrics) == 0
    return metrics


def test_from_embeddings_to_a_table(embeddings, tmp_path, capsys):
    each = json.loads(evaluated(embeddings, "each", EACH).read_text())
    assert list(each["results"]) == ["global", "concatenated", *NAMES[2:]]
    assert each["provenance"]["stage"] == "reid.stages.evaluate"
    files = [evaluated(embeddings, "default", DEFAULT), embeddings.with_name("each.json")]
    config = {
        "dataset": "d",
        "model": "m",
        "matching": "default",
        "extra_matchings": ["each"],
        "seeds": [1],
        "recipe": "paper",
        "batch_size": 64,
    }
    words = [
        "summarise",
        "--config",
        json.dumps(config),
        "--metrics",
        *map(str, files),
        "--summary",
        str(tmp_path / "metrics.json"),
    ]
    assert run("reid", {"summarise": ""}, words) == 0
    summary = json.loads((tmp_path / "metrics.json").read_text())
    default = json.loads(files[0].read_text())["results"]["default"]["measures"]
    assert summary["results"]["default"]["mAP"] == {
        "mean": default["mAP"],
        "spread": None,
        "count": 1,
        "values": {"1": default["mAP"]},
    }
    rows = [{"label": "head", "dataset": "d", "model": "m", "matching": "each/head"}]
    asked = {"table": {"title": "T", "rows": rows}, "missing": []}
    outputs = {name: tmp_path / f"t.{name}" for name in ("csv", "markdown", "tex")}
    assert stage("tabulate", config=asked, metrics=tmp_path / "metrics.json", **outputs) == 0
    shown = f"{each['results']['head']['measures']['rank-1']:.1%}".removesuffix("%")
    for text in (outputs["markdown"].read_text(), capsys.readouterr().out):
        assert f"| head | {shown} |" in re.sub(" +", " ", text)


def test_a_summary_needs_every_seed(embeddings, capsys):
    metrics = evaluated(embeddings, "default", DEFAULT)
    config = {
        "dataset": "d",
        "model": "m",
        "matching": "default",
        "extra_matchings": [],
        "seeds": [1, 2],
        "recipe": "paper",
        "batch_size": 64,
    }
    assert stage("summarise", config=config, metrics=metrics, summary=metrics.with_name("m.json")) == 1
    assert "seed2/default.json is not among the metrics" in capsys.readouterr().err
    assert not metrics.with_name("m.json").exists()


def test_the_picture_and_the_list_of_first_images(embeddings, tmp_path):
    for split in (QUERY, GALLERY):
        for number, key in enumerate(split.key):
            path = tmp_path / "images" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 32), (number, 99, 9)).save(path)
    outputs = {"picture": tmp_path / "r.png", "ranking": tmp_path / "r.csv"}
    config = {"root": str(tmp_path / "images"), "matching": DEFAULT, "queries": 2}
    assert stage("rank", config=config, embeddings=embeddings, **outputs) == 0
    with Image.open(outputs["picture"]) as picture:
        green, red = (
            [colour for _, colour in picture.getcolors(10**6)].count(c) for c in ((38, 150, 66), (206, 44, 44))
        )
        assert (green, red) == (1, 1)
    rows = list(csv.DictReader(outputs["ranking"].open()))
    assert len(rows) == 12 * 10
    assert [row["place"] for row in rows[:10]] == [str(place) for place in range(1, 11)]
    assert all(row["compared"].startswith("foreground") for row in rows)


def test_an_image_that_has_gone_is_named(embeddings, tmp_path, capsys):
    config = {"root": str(tmp_path / "gone"), "matching": DEFAULT, "queries": 1}
    assert (
        stage("rank", config=config, embeddings=embeddings, picture=tmp_path / "r.png", ranking=tmp_path / "r.csv") == 1
    )
    assert str(tmp_path / "gone") in capsys.readouterr().err


def test_evaluation_starts_without_torch():
    code = "import sys, reid.stages.evaluate, reid.stages.rank; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
