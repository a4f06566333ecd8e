"""A configuration that cannot be run is refused before anything runs, by the key that is wrong."""

from copy import deepcopy

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from snakemake.utils import update_config

from artefacts.config import overlaid
from artefacts.errors import UserError
from parsing.config import Labels, PartLabels
from reid.config.root import Config, Model, Synthetic, load
from reid.synthetic.scenes import SUPERSAMPLED_SCENE, Camera
from tests.configuration import all_content
from tests.people import PEOPLE as DRAWN

LOSSLESS = {"attention_weight": 0.0, "attention_smoothing": 0.1, "attention_form": "mean", "identity": [],
            "identity_smoothing": 0.1, "triplet": [], "part_triplet": "averaged", "margin": 0.3}  # fmt: skip
SEEN = {"triplet_visibility": {"rule": "argmax", "threshold": 0.4}}
DEMO_ROW = {"label": "BoT", "dataset": "synthetic", "model": "bot_small", "matching": "global"}
PASTED = {"probability": 0.3, "kinds": {"people": 2.0, "strips": 1.0}}
RESERVED = ("global", "foreground", "concatenated", "parts", "background")


def refusal(path: str, value: object) -> str:
    """The line that refuses config.yaml with the value at `path` replaced."""
    content = all_content()
    *steps, last = path.split("/")
    place = content
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    with pytest.raises(UserError) as error:
        load(content)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("configuration: ")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("colour", 1, "colour: unknown key"),
        ("labels/threshold", "0.5", "labels.threshold: Input should be a valid number, but '0.5' is a string"),
        ("labels/threshold", 1.5, "labels.threshold: Input should be less than or equal to 1"),
        ("schemes/five/parts/feet", [15, 36], "schemes.five.parts.feet.1: Input should be less than or equal to 35"),
        ("datasets/market1501/scheme", "ninety", "datasets.market1501.scheme: 'ninety' is not one of"),
        ("datasets/synthetic/root", "x", "datasets.synthetic.root: must be results/synthetic/source"),
        (
            "datasets/tables",
            {"reader": "market1501", "root": "x", "scheme": "five", "pifpaf": "small"},
            "datasets.tables",
        ),
        ("pifpaf/small/train_on", "market1501", "pifpaf.small.train_on: 'market1501' is not one of"),
        (
            "models/small/training/warmup_rate",
            1e-4,
            "models.small: training.warmup_rate: is called warmup_start_lr",
        ),
        (
            "models/small/training/images",
            4,
            "models.small: training.images: is called images_per_id now",
        ),
        ("models/small/also", ["each"], "models.small: also: is called extra_matchings now; rename the key"),
        ("models/bot_small/after_bnneck", [], "models.bot_small: after_bnneck: is called use_bnneck_for now"),
        ("recipes/official/extends", "paper2", "recipes.official.extends: 'paper2' is not one of paper, official, st"),
        ("recipes/paper/loss/margins", 0.3, "models.resnet50: loss.margins: unknown key"),
        ("recipes/paper/training/learning_rate", "3e-4", "models.resnet50: training.learning_rate: Input should be"),
        ("models/small/extends", "bot_small", "models.small: `extends` goes round in a circle"),
        ("models/bot/matching", "angle", "models.bot: 'angle' is not one of"),
        ("datasets/synthetic/seeds", [], "datasets.synthetic.seeds: is empty; name at least one"),
        ("datasets/synthetic/seeds", [1, 2, 1], "datasets.synthetic.seeds: 1 is named twice"),
        ("tables/demo/seeds", [], "tables.demo.seeds: is empty"),
        (
            "datasets/synthetic/trains_on",
            "synthetic",
            "datasets.synthetic.trains_on (a dataset without it): 'synthetic'",
        ),
        (
            "datasets/synthetic/synthetic/height",
            58,
            "datasets.synthetic.synthetic: height 58: must be at least",
        ),
        (
            "recipes/paper/loss",
            LOSSLESS,
            "models.resnet50: loss: no loss is left; name an embedding",
        ),
        (
            "recipes/paper/loss",
            LOSSLESS | {"triplet": ["global"], "triplet_weights": {"global": 0.0}},
            "models.resnet50: loss: no loss is left; name an embedding",
        ),
        (
            "models/pcb/head",
            {"attention": "stripes"},
            "models.pcb: head: `attention: stripes` and a number of `stripes`",
        ),
        ("models/pcb/head", {"stripes": 6}, "models.pcb: head: `attention: stripes` and a number of `stripes` belong"),
        ("models/pcb/head/stripes", 0, "models.pcb: head.stripes: Input should be greater than 0"),
        (
            "models/pcb/loss/attention_weight",
            0.35,
            "models.pcb: attention 'stripes' is not learnt; set loss.",
        ),
        (
            "recipes/paper/head/attention",
            "labels",
            "models.resnet50: attention 'labels' is not learnt; set loss.",
        ),
        (
            "recipes/paper/loss/attention_form",
            "paper",
            "models.resnet50: loss.attention_form: 'paper' is now called 'sum'",
        ),
        ("models/hrnet/loss", {"attention_form": "official"}, "models.hrnet: loss.attention_form: 'official' is now "),
        ("models/hrnet/loss", SEEN | {"triplet": []}, "models.hrnet: loss: triplet_visibility needs `parts` under"),
        ("models/hrnet/loss", SEEN | {"part_triplet": "each"}, "models.hrnet: loss: triplet_visibility needs `parts`"),
        ("models/hrnet/scheme", "ninety", "models.hrnet.scheme: 'ninety' is not one of two"),
        ("matchings/parts/embeddings", [], "matchings.parts.embeddings: is empty; name at least one"),
        ("matchings/parts/embeddings", ["parts", "parts"], "matchings.parts.embeddings: 'parts' is named twice"),
        ("matchings/parts/embeddings", ["haed"], "matchings.parts.embeddings: 'haed' is not one of global, foreground"),
        (
            "matchings/parts/embeddings",
            ["stripe_7"],
            "matchings.parts.embeddings: 'stripe_7' is not one of global",
        ),
        (
            "matchings/default/embeddings",
            ["left_arm"],
            "matchings.default.embeddings (datasets.synthetic): 'left_arm' is not one of global",
        ),
        ("tables/demo/rows/0", DEMO_ROW | {"mode": "x"}, "tables.demo.rows.0.mode: unknown key"),
        ("tables/demo/reference", "BoT", "tables.demo.reference: 'BoT' is not one of BoT baseline, BPBReID"),
        ("tables/demo/tolerance", -1.0, "tables.demo.tolerance: Input should be greater than or equal to 0"),
        ("tables/demo/rows/0/dataset", ["synthetic", "bat"], "tables.demo.rows.0.dataset: 'bat' is not one of"),
        ("tables/demo/rows/0/model", "bat", "tables.demo.rows.0.model: 'bat' is not one of"),
        ("tables/demo/rows/0/dataset", "bat", "tables.demo.rows.0.dataset: 'bat' is not one of"),
        (
            "tables/demo/rows/0/matching",
            "parts",
            "tables.demo.rows.0.matching (models.bot_small.extra_matchings): 'pa",
        ),
        (
            "tables/demo/rows/1/matching",
            "each",
            "tables.demo.rows.1.matching (models.small.extra_matchings): 'each' is not one of",
        ),
        (
            "tables/demo/rows/1/matching",
            "default/head",
            "tables.demo.rows.1.matching (models.small.extra_matchings): 'defau",
        ),
        (
            "tables/demo/rows/1/matching",
            "each/left_arm",
            "tables.demo.rows.1.matching (models.small.extra_matchings): 'each/",
        ),
        ("recipes/paper/backbone/levels", [2, 1], "models.resnet50: backbone: levels [2, 1]: must ascend"),
        ("recipes/paper/backbone/levels", [1, 1], "models.resnet50: backbone: levels [1, 1]: must ascend"),
        ("recipes/paper/backbone/levels", [-2, -1], "models.resnet50: backbone: levels [-2, -1]: must ascend"),
        ("recipes/paper/backbone/levels", [], "models.resnet50: backbone: levels []: must ascend"),
        *(
            (
                "recipes/paper/augmentation/occlusion",
                PASTED | keys,
                f"models.resnet50: augmentation.occlusion.{message}",
            )
            for keys, message in [
                ({"kinds": {"people": 0.0}}, "kinds: no kind is left; give people"),
                ({"kinds": {"cars": 1.0}}, "kinds.cars"),
                ({"kinds": {"strips": -1.0}}, "kinds.strips: Input should be greater"),
                ({"side_strip": [0.5, 0.2]}, "side_strip: [0.5, 0.2]: the least comes first; write [0.2, 0.5]"),
                ({"object_area": [0.5, 2.0]}, "object_area.1: Input should be less"),
            ]
        ),
        ("models/pcb/augmentation", {"occlusion": PASTED}, "models.pcb: augmentation.occlusion.kinds: stripes have"),
        (
            "models/hrnet",
            {"recipe": "paper", "augmentation": {"occlusion": PASTED}, "training": {"processes": 16}},
            "models.hrnet: augmentation.occlusion: takes occluders from another identity of a process's share of the "
            "batch; raise training.ids_per_batch to 32",
        ),
        ("schemes/eight/mirrored/1", ["left_arm", "left_leg"], "schemes.eight: mirrored [['left_arm', 'right_arm'], "),
        ("schemes/eight/mirrored/1", ["left_leg", "left_leg"], "schemes.eight: mirrored [['left_arm', 'right_arm'], "),
        *((f"schemes/five/parts/{name}", [0], f"schemes.five: part {name!r}: this name means") for name in RESERVED),
    ],
)
def test_what_is_wrong_is_named(path, value, message):
    assert refusal(path, value).startswith(message)


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


@pytest.mark.parametrize(
    ("width", "height"), [(128, 256), (128, 59), (128, 58), (640, 293), (640, 294), (640, 295), (1, 400)]
)
def test_a_drawn_size_is_accepted_where_every_background_fits_its_place(width, height):
    place = Image.new("RGB", SUPERSAMPLED_SCENE)
    camera = Camera(place, 0.0, np.ones(3), 1.0, 0.0, 0.0, np.ones(3))
    try:
        for extreme in (0.75, 1.15):
            camera.background((width, height), Extreme(extreme))
        fits = True
    except ValueError:
        fits = False
    try:
        Synthetic.model_validate(DRAWN | {"width": width, "height": height})
        accepted = True
    except ValidationError:
        accepted = False
    assert accepted == fits


class Extreme:
    """Stands in for a generator whose scale is always the same."""

    def __init__(self, scale: float) -> None:
        self.scale, self.integers = scale, np.random.default_rng(0).integers

    def uniform(self, low: float, high: float) -> float:
        assert low <= self.scale <= high
        return self.scale


def test_files_are_laid_over_each_other_as_snakemake_does():
    base = {"section": {"kept": 1, "null": None, "list": [1, 2], "inner": {"kept": 2}}, "scalar": 3}
    over = {"section": {"null": {"a": 1}, "list": {"b": 2}, "inner": {"new": 4}}, "scalar": {"c": 5}, "new": {"d": {}}}
    for first, second in ((base, over), (over, base)):
        expected = deepcopy(first)
        update_config(expected, deepcopy(second))
        assert overlaid(first, second) == expected


def test_a_section_is_cut_to_the_keys_of_its_base():
    config = load(all_content())
    of_fields = {"batch_size", "shards", "precision", "gate", "silhouettes"}
    assert set(PartLabels.of(config.labels).model_dump()) == set(Labels.model_fields) - of_fields
    entry = config.model("small")
    assert Model.of(entry).training == entry.training
    assert not hasattr(Model.of(entry), "matching")
