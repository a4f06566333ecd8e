"""docs/datasets.md says what config.yaml and the readers say."""

import re
from typing import get_args

import pytest
import yaml

from artefacts.config import overlaid
from reid.config.dataset import READERS, Dataset, Finding
from reid.config.root import load
from tests.configuration import all_content
from tests.pages import blocks_of
from tests.workflow.conftest import PROJECT

DOCS = (PROJECT / "docs/datasets.md").read_text(encoding="utf-8")
CONTENT = all_content()
ROWS = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([\d,-]+) / ([\d,]+) / ([\d,]+) \|", DOCS, re.MULTILINE)
PAGES = {
    page: [block.code for block in blocks_of(__file__) if block.page == f"docs/{page}.md"]
    for page in ("datasets", "labels", "recipes")
}
*EXAMPLES, COMBINED = PAGES["datasets"]
RECIPES = (PROJECT / "docs/recipes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "reader", "train", "query", "gallery"), ROWS)
def test_counts_are_those_that_are_checked(name, reader, train, query, gallery):
    dataset = Dataset.model_validate(CONTENT["datasets"][name])
    counts = {"train": train, "query": query, "gallery": gallery}
    assert dataset.expected == {split: int(n.replace(",", "")) for split, n in counts.items() if n != "-"}
    assert dataset.reader == reader


RELEASED = {name for name, entry in CONTENT["datasets"].items() if "labels_from" in entry}  # by the authors


def test_every_dataset_reader_and_finding_is_described():
    entries = {name for name, entry in CONTENT["datasets"].items() if not entry.get("synthetic")}
    assert entries == {name for name, *_ in ROWS} | {"occluded_posetrack", "market1501_eight"} | RELEASED
    for word in (*entries, *READERS, *get_args(Finding)):
        assert f"`{word}`" in DOCS or f"reader: {word}" in DOCS, word


@pytest.mark.parametrize("example", EXAMPLES)
def test_its_examples_are_accepted(example):
    entry = yaml.safe_load(example.partition("datasets:\n")[2] or example)
    entry = next(iter(entry.values())) if "reader" not in entry else entry
    shop = {"scheme": "eight", "pifpaf": "small", **entry}
    content = CONTENT | {"datasets": CONTENT["datasets"] | {"shop": shop}}
    assert load(content).datasets["shop"].reader == entry["reader"]


def test_the_labels_of_another_program_are_accepted():
    (entry,) = PAGES["labels"]
    content = yaml.safe_load(entry)
    told = load(overlaid(CONTENT, content)).datasets["own"].labels_from
    assert told.kind == content["datasets"]["own"]["labels_from"]["kind"] == "coco_json"


def test_its_combination_and_the_matrix_of_recipes_are_accepted():
    (crossed,) = PAGES["recipes"]
    config = load(overlaid(CONTENT, yaml.safe_load(COMBINED) | yaml.safe_load(crossed)))
    assert config.members("markets") == ["market1501", "dukemtmc"]
    assert config.datasets["markets"].sampling == "even"
    assert [row["model"] for row in config.table("cross").rows if row["label"] == "markets"] == ["resnet50@markets"] * 2
    assert "`MODEL@DATASET`" in DOCS
    (searched,) = re.findall(r"results/market1501/(hrnet@\w+)/metrics\.json", DOCS)
    assert config.trained_on(searched, "market1501") == "markets"
    (row,) = re.findall(r"`model: (resnet50@\w+)`", RECIPES)
    assert config.trained_on(row, "market1501") == "msmt17"
