"""A dataset whose labels another program made takes its own way to the same files, and trains like the others."""

import json

import pytest

from artefacts.errors import UserError
from reid.config.root import load
from tests.configuration import all_content
from tests.workflow.conftest import Workflow, write

ENTRY = {"reader": "market1501", "root": "data/own", "scheme": "five"}
FROM = {
    "confidence_npy": {"kind": "confidence_npy", "path": "data/own/masks", "file": "{folder}/{stem}.npy"},
    "coco_json": {"kind": "coco_json", "path": "data/own/keypoints.json"},
    "part_png": {"kind": "part_png", "path": "data/own/masks", "file": "{folder}/{stem}.png", "parser": "lip"},
}
SLOW = pytest.mark.slow
TARGETS = ("results/own/small/metrics.json", "results/own/parsing/five.qc.png")
SHARED = {"manifest", "check", "convert", "gate", "quality", "train", "embed", "evaluate", "summarise"}


def add(workflow: Workflow, kind: str, **changes: object) -> None:
    """Give the workflow the dataset `own` with labels of this kind."""
    entry = ENTRY | {"labels_from": FROM[kind] | {"size": [256, 128]} | changes}
    workflow.configure("  market1501:\n", f"  own: {json.dumps(entry)}\n  market1501:\n")
    for name in ("query/0001_c1s1_000001_00.jpg", "masks/query/0001_c1s1_000001_00.npy", "keypoints.json"):
        write(workflow.folder / "data/own" / name, "content")


@pytest.mark.parametrize("kind", ["part_png", *(pytest.param(kind, marks=SLOW) for kind in FROM if kind != "part_png")])
def test_its_labels_are_converted_instead_of_found(workflow, kind):
    add(workflow, kind)
    way = {"convert_parts"} if kind == "part_png" else {"labels"}
    assert workflow.planned(*TARGETS).rules == SHARED | way


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["confidence_npy", "coco_json"])
def test_other_label_files_are_converted_again(workflow, kind):
    add(workflow, kind)
    run = workflow.snakemake("--resources", "gpu=2", "--", *TARGETS)
    assert run.returncode == 0, run.stderr
    assert not workflow.planned(*TARGETS).rules
    workflow.configure("interpolation: bilinear", "interpolation: nearest")
    assert ("convert" in workflow.planned(*TARGETS).rules) == (kind == "confidence_npy")
    workflow.configure("interpolation: nearest", "interpolation: bilinear")
    file = "keypoints.json" if kind == "coco_json" else "masks/query/0001_c1s1_000001_00.npy"
    write(workflow.folder / "data/own" / file, "other content")
    assert {"convert", "labels", "train"} <= workflow.planned(*TARGETS).rules


def test_missing_labels_say_where_to_put_them(workflow):
    add(workflow, "coco_json")
    (workflow.folder / "data/own/keypoints.json").unlink()
    (line,) = workflow.refusal("results/own/parsing/five.h5")
    assert line == (
        "error: data/own/keypoints.json is missing: put the labels there, or change datasets.own.labels_from.path"
    )


def refusal(**changes: object) -> str:
    content = all_content()
    content["datasets"]["own"] = ENTRY | changes
    with pytest.raises(UserError) as error:
        load(content)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("configuration: datasets.own.")


SIZED = FROM["confidence_npy"] | {"size": [256, 128]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "name either a pifpaf entry or labels_from, and not both"),
        ({"pifpaf": "small", "labels_from": SIZED}, "name either a pifpaf entry or labels_from, and not both"),
        ({"labels_from": SIZED | {"kind": "csv"}}, "labels_from: Input tag 'csv' found using 'kind' does not match"),
        ({"labels_from": FROM["coco_json"]}, "labels_from.coco_json.size: Field required"),
        ({"labels_from": SIZED | {"naming": "x"}}, "labels_from.confidence_npy.naming: unknown key"),
        ({"labels_from": SIZED | {"file": "{folder}/x.npy"}}, "names one file for many images; it needs {name} or"),
        ({"labels_from": SIZED | {"file": "{key}.npy"}}, "{key} is not one of folder, folder_above, name, stem"),
        ({"labels_from": SIZED | {"file": "{name.__class__}"}}, "{name.__class__} is not one of folder"),
        ({"labels_from": SIZED | {"file": "../{name}"}}, "leads outside the folder of the labels"),
        ({"labels_from": SIZED | {"file": "/{name}"}}, "leads outside the folder of the labels"),
        ({"labels_from": SIZED | {"file": "{name"}}, "is no template"),
        (
            {"labels_from": FROM["part_png"] | {"size": [256, 128], "parser": "lap"}},
            "labels_from.parser: 'lap' is not one of lip",
        ),
    ],
)
def test_a_wrong_entry_is_named(changes, message):
    assert message in refusal(**changes)


def test_a_number_stands_for_one_part():
    content = all_content()
    content["parsers"]["lip"]["torso"] = [5, 13]
    with pytest.raises(UserError, match=r"parsers\.lip: 13 is named twice"):
        load(content)
    content["parsers"]["lip"] = {"tail": [1]}
    with pytest.raises(UserError, match=r"parsers\.lip\.tail"):
        load(content)
