"""Recipe strong, and the table that says what it is made of."""

import yaml

from artefacts.config import overlaid
from reid.config.root import Config, load
from tests.configuration import PROJECT, all_content


def ingredients() -> Config:
    content = all_content()
    for name in ("street", "ingredients"):
        content = overlaid(content, yaml.safe_load((PROJECT / f"benchmarks/{name}.yaml").read_text()))
    return load(content)


def differences(one: object, other: object, where: str = "") -> set[str]:
    """The keys, joined by dots, under which two nested dicts differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set() if one == other else {where.lstrip(".")}
    return {found for key in one for found in differences(one[key], other[key], f"{where}.{key}")}


def test_strong_changes_what_is_documented_and_no_more(config):
    changed = {"recipe", "matching", "extra_matchings", "augmentation.occlusion", "augmentation.flip"}
    for plain, more in (("resnet50", {"size"}), ("hrnet", set()), ("small", set())):
        entries = (config.model(name).model_dump(mode="json") for name in (plain, f"{plain}_strong"))
        assert differences(*entries) == changed | more
    assert config.model("resnet50_strong").size == config.model("hrnet").size
    compared = config.matchings[config.model("small_strong").matching]
    assert compared.normalise
    assert compared.visibility.quantile == 0.05


def test_each_ingredient_of_the_table_is_one_change():
    config = ingredients()
    plain = config.model("small").model_dump(mode="json")
    for row in config.tables["ingredients"].rows:
        if row["label"].startswith("with "):
            changes = differences(plain, config.model(row["model"]).model_dump(mode="json"))
            changes -= {"extra_matchings"}
            changes -= {"training.weight_decay"} if "training.optimizer" in changes else set()
            changes -= {"head.reduction"} if "head.part_reduction" in changes else set()
            assert len(changes) + (row["matching"] != "default") == 1, row["label"]
        assert row["group"] == ["occluded", "whole"]
