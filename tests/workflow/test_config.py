"""A configuration that cannot be run is refused before anything runs, by the key that is wrong."""

from copy import deepcopy

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from snakemake.utils import update_config

from artefacts.config import overlaid
from parsing.config import Labels, PartLabels
from reid.config.root import Model, Synthetic, load
from reid.synthetic.scenes import SUPERSAMPLED_SCENE, Camera
from tests.configuration import DEMO_ROW, all_content, refusal
from tests.people import PEOPLE as DRAWN

LOSSLESS = {"attention_weight": 0.0, "attention_smoothing": 0.1, "attention_form": "mean", "identity": [],
            "identity_smoothing": 0.1, "triplet": [], "part_triplet": "averaged", "margin": 0.3}  # fmt: skip
SEEN = {"triplet_visibility": {"rule": "argmax", "threshold": 0.4}}
PASTED = {"probability": 0.3, "kinds": {"people": 2.0, "strips": 1.0}}
RESERVED = ("global", "foreground", "concatenated", "parts", "background")


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
