"""A configuration that cannot be run is refused before anything runs, by the key that is wrong."""

from pathlib import Path

import pytest
import yaml

from artefacts.errors import UserError
from parsing.config import Labels, PartLabels
from reid.config import Model, load

CONTENT = (Path(__file__).resolve().parents[2] / "config.yaml").read_text()


def refusal(path: str, value: object) -> str:
    """The line that refuses config.yaml with the value at `path` replaced."""
    content = yaml.safe_load(CONTENT)
    *steps, last = path.split("/")
    place = content
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[last] = value
    with pytest.raises(UserError) as error:
        load(content)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("config.yaml: ")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("colour", 1, "colour: unknown key"),
        ("labels/threshold", "0.5", "labels.threshold: Input should be a valid number, but '0.5' is a text"),
        ("labels/threshold", 1.5, "labels.threshold: Input should be less than or equal to 1"),
        ("schemes/five/parts/feet", [15, 36], "schemes.five.parts.feet.1: Input should be less than or equal to 35"),
        ("datasets/market1501/scheme", "nine", "datasets.market1501.scheme: 'nine' is not one of"),
        ("datasets/synthetic/root", "x", "datasets.synthetic.root: must be results/synthetic/source"),
        (
            "datasets/tables",
            {"reader": "market1501", "root": "x", "scheme": "five", "pifpaf": "small"},
            "datasets.tables",
        ),
        ("pifpaf/small/train_on", "market1501", "pifpaf.small.train_on: 'market1501' is not one of"),
        ("recipes/paper/loss/margins", 0.3, "models.resnet50: loss.margins: unknown key"),
        ("recipes/paper/training/learning_rate", "3e-4", "models.resnet50: training.learning_rate: Input should be"),
        ("models/small/extends", "bot_small", "models.small: `extends` goes round in a circle"),
        ("models/bot/matching", "cosine", "models.bot: 'cosine' is not one of"),
        ("tables/demo/rows/0/matching", "parts", "tables.demo: models.bot_small.also: 'parts' is not one of global"),
    ],
)
def test_what_is_wrong_is_named(path, value, message):
    assert refusal(path, value).startswith(message)


def test_a_section_is_cut_to_the_keys_of_its_base():
    config = load(yaml.safe_load(CONTENT))
    assert set(PartLabels.of(config.labels).model_dump()) == set(Labels.model_fields) - {"batch_size", "shards"}
    entry = config.model("small")
    assert Model.of(entry).training == entry.training
    assert not hasattr(Model.of(entry), "matching")
