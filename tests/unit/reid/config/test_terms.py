"""A model card says whose images a model was made of, and what is asked of who uses them."""

import pytest

from reid.config.stages import PackConfig
from reid.config.terms import BOUND, DUKE, RENDERED, TERMS, UNKNOWN
from tests.contributing.conftest import configured


def test_every_published_dataset_has_terms_of_its_own(config):
    for name, entry in config.datasets.items():
        terms = PackConfig.of(config, name, "small").terms
        assert (terms == RENDERED) == bool(entry.synthetic), name
        if not entry.synthetic:
            assert UNKNOWN not in terms, name
            assert terms.endswith(BOUND)
        assert (DUKE in terms) == ("duke" in name)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"reader": "market1501", "root": "/mnt/Market-1501-v15.09.15"}, TERMS["market1501"]),
        ({"reader": "market1501", "root": "/mnt/DukeMTMC-reID"}, DUKE),
        ({"reader": "market1501", "root": "cuhk03-np/labeled"}, TERMS["cuhk03"]),
        ({"reader": "p_dukemtmc", "root": "data/mine"}, DUKE),
        ({"reader": "market1501", "root": "/home/duke/data/crops"}, UNKNOWN),
        ({"reader": "folders", "root": "data/crops"}, UNKNOWN),
    ],
)
def test_folder_and_reader_tell_whose_images_they_are(entry, says):
    config = configured(datasets={"mine": {"scheme": "five", "pifpaf": "shufflenetv2k16"} | entry})
    assert f"- `mine` (trained and measured on): {says}\n" in PackConfig.of(config, "mine", "small").terms


def test_what_a_model_is_measured_on_has_its_terms_too(config):
    terms = PackConfig.of(config, "occluded_reid", "small").terms
    assert "- `market1501_eight` (trained on): Market-1501" in terms
    assert "- `occluded_reid` (measured on): Occluded-ReID" in terms
