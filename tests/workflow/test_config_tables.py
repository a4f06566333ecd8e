"""What trains on what, and what tables show: what is wrong there is refused by its key before anything runs."""

import pytest

from artefacts.errors import UserError
from reid.config.root import Config, load
from tests.configuration import DEMO_ROW, all_content, refusal


@pytest.mark.parametrize("key", DEMO_ROW)
def test_a_row_has_all_its_keys(key):
    row = {name: value for name, value in DEMO_ROW.items() if name != key}
    assert refusal("tables/demo/rows/0", row) == f"tables.demo.rows.0.{key}: Field required"


def test_a_dataset_cannot_train_on_one_that_trains_on_a_third():
    content = all_content()
    content["datasets"]["dukemtmc"]["trains_on"] = "synthetic"
    assert load(content).datasets["dukemtmc"].trains_on == "synthetic"
    content["datasets"]["occluded_duke"]["trains_on"] = "dukemtmc"
    with pytest.raises(UserError, match=r"occluded_duke\.trains_on \(a dataset without it\): 'dukemtmc' is not one of"):
        load(content)


MARKETS = {"combines": ["market1501", "dukemtmc"]}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (MARKETS | {"combines": ["market1501", "duke"]}, ".combines: 'duke' is not one of synthetic, "),
        (MARKETS | {"combines": ["market1501"]}, ".combines: market1501 alone: name two datasets or more"),
        (MARKETS | {"combines": ["market1501", "market1501"]}, ".combines: 'market1501' is named twice"),
        (MARKETS | {"combines": ["market1501", "both"]}, ".combines: 'both' is itself"),
        (MARKETS | {"combines": ["market1501", "circle"]}, ".combines: 'circle' is a combination too; name the datas"),
        (
            MARKETS | {"combines": ["occluded_duke", "occluded_reid"]},
            ".combines: 'occluded_reid' has no training half (it trains on market1501_eight); leave it out",
        ),
        (
            MARKETS | {"combines": ["market1501", "occluded_duke"]},
            ".combines: 'market1501' is labelled with the parts of five, 'occluded_duke' with those of eight; ",
        ),
        (MARKETS | {"sampling": "equal"}, ".sampling: Input should be 'size' or 'even'"),
        (MARKETS | {"root": "data/both"}, ".root: unknown key"),
    ],
)
def test_what_cannot_be_combined_is_named(entry, message):
    content = all_content()
    content["datasets"] |= {"both": entry, "circle": {"combines": ["both", "market1501"]}}
    if "circle" not in entry["combines"]:
        del content["datasets"]["circle"]
    with pytest.raises(UserError) as error:
        load(content)
    assert str(error.value).startswith(f"configuration: datasets.both{message}")


CROSS = {
    "trained_on": ["market1501", "both"],
    "searched_in": ["market1501", "dukemtmc", "served"],
    "model": "resnet50",
    "matching": "default",
}


def with_matrix(**changes: object) -> Config:
    content = all_content()
    served = content["datasets"]["dukemtmc"] | {"trains_on": "both", "seeds": [4]}
    content["datasets"] |= {"both": MARKETS | {"seeds": [5, 6]}, "served": served}
    content["tables"]["cross"] = {"title": "T", "matrix": CROSS | changes}
    return load(content)


def test_a_matrix_is_a_row_for_each_training_and_a_column_for_each_search():
    config = with_matrix()
    found = [(row["label"], row["dataset"], row["model"]) for row in config.table("cross").rows]
    assert found == [
        ("market1501", "market1501", "resnet50"),
        ("market1501", "dukemtmc", "resnet50@market1501"),
        ("market1501", "served", "resnet50@market1501"),
        ("both", "market1501", "resnet50@both"),
        ("both", "dukemtmc", "resnet50@both"),
        ("both", "served", "resnet50"),
    ]
    assert [config.trained_on(model, dataset) for _, dataset, model in found] == ["market1501"] * 3 + ["both"] * 3
    seeds = [config.seeds_of(model, dataset) for _, dataset, model in found]
    assert seeds == [[1, 2, 3]] * 3 + [[5, 6], [5, 6], [4]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trained_on": ["occluded_reid"]}, "matrix.trained_on: 'occluded_reid' is not one of"),
        ({"searched_in": ["both"]}, "matrix.searched_in: 'both' is not one of"),
        ({"model": "resnet5"}, "matrix.model: 'resnet5' is not one of"),
        ({"matching": "global"}, r"matrix.matching \(models.resnet50.extra_matchings\): 'global' is not one of"),
    ],
)
def test_what_a_matrix_cannot_show_is_named(changes, message):
    with pytest.raises(UserError, match=rf"configuration: tables.cross.{message}"):
        with_matrix(**changes)


def test_a_table_has_rows_or_a_matrix():
    content = all_content()
    content["tables"]["demo"]["matrix"] = CROSS
    for entry in (content["tables"]["demo"], {"title": "T"}):
        content["tables"]["demo"] = entry
        with pytest.raises(UserError, match=r"tables\.demo: give `rows` or a `matrix`, and not both"):
            load(content)


def test_a_row_may_name_what_its_model_is_trained_on():
    assert refusal("tables/demo/rows/0", DEMO_ROW | {"model": "bot_small@duke"}).startswith(
        "tables.demo.rows.0.model: bot_small@duke: 'duke' is not one of"
    )
    content = all_content()
    content["tables"]["demo"]["rows"][0] = DEMO_ROW | {"model": "bot_small@market1501"}
    assert load(content)


def test_a_row_may_show_a_single_embedding_of_a_separate_matching():
    content = all_content()
    for name in ("global", "concatenated", "head"):
        content["tables"]["demo"]["rows"][1]["matching"] = f"each/{name}"
        assert load(content).tables["demo"].rows[1]["matching"] == f"each/{name}"


def test_the_single_embeddings_of_a_model_are_those_of_its_parts():
    """Its stripes, its own part scheme, or that of the dataset."""
    content = all_content()
    content["models"] |= {
        "striped": {"extends": "pcb", "extra_matchings": ["each"]},
        "finer": {"extends": "small", "scheme": "eight"},
    }
    rows = content["tables"]["demo"]["rows"]
    for model, part in (("striped", "stripe_6"), ("finer", "left_arm"), ("small", "arms")):
        rows[0] = DEMO_ROW | {"model": model, "matching": f"each/{part}"}
        assert load(content).tables["demo"].rows[0]["matching"] == f"each/{part}"
    for model, part in (("striped", "head"), ("finer", "arms"), ("small", "left_arm")):
        rows[0] = DEMO_ROW | {"model": model, "matching": f"each/{part}"}
        with pytest.raises(UserError, match=f"'each/{part}' is not one of"):
            load(content)
