"""What a rule tells a stage is what the stage reads, for every dataset and model that is shipped."""

from collections.abc import Iterator

import pytest

from artefacts.config import StageConfig
from parsing import stage_config as label_stages
from reid.config import stages, table_stages, terms
from reid.config.root import Config
from reid.report import targets
from tests.contributing.conftest import configured


def told(config: Config) -> Iterator[StageConfig]:
    """Every stage's share of the configuration."""
    for dataset, entry in config.datasets.items():
        for stage in (stages.ManifestConfig, stages.ProtocolConfig, stages.AttentionConfig):
            yield stage.of(config, dataset)
        labelled = label_stages.ConvertConfig if entry.labels_from else label_stages.FieldsConfig
        for stage in (labelled, label_stages.GateConfig, label_stages.QualityConfig):
            yield stage.of(config, dataset)
        if entry.labels_from and entry.labels_from.kind == "part_png":
            yield label_stages.ConvertPartsConfig.of(config, dataset, entry.scheme)
    for dataset in ("synthetic", "pifpaf_train"):
        yield stages.DrawConfig.of(config, dataset)
    for model in config.models:
        for stage in (stages.EmbedConfig, stages.SummariseConfig, stages.RankConfig, stages.CurvesConfig):
            yield stage.of(config, "occluded_duke", model)
        yield stages.PackConfig.of(config, "occluded_duke", model)
        yield stages.TrainConfig.of(config, "occluded_duke", model, "3")
        yield stages.ImportOfficialConfig.of(config, model)
    yield from (label_stages.LabelsConfig.of(config, scheme) for scheme in config.schemes)
    yield from (stages.EvaluateConfig.of(config, matching) for matching in config.matchings)
    yield from (stages.ImportBackboneConfig.of(config, backbone) for backbone in config.backbones)
    yield from (stages.FetchConfig.of(config, download) for download in config.downloads)
    yield label_stages.TrainPifPafConfig.of(config, "small")
    yield stages.GalleryConfig.of(config, "occluded_duke")
    yield stages.IndexConfig.of(config)
    for table in config.tables:
        yield from (stage(config, table) for stage in (targets.tabulated, targets.compared, targets.accounted))


@pytest.mark.filterwarnings("error")
def test_a_stage_reads_what_its_rule_says():
    parsed = {"kind": "part_png", "path": "labels", "file": "{stem}.png", "parser": "lip", "size": [256, 128]}
    own = {"reader": "market1501", "root": "own", "scheme": "five", "labels_from": parsed}
    every = list(told(configured(datasets={"own": own})))
    for one in every:
        assert type(one).model_validate_json(one.model_dump_json()) == one
    modules = (stages, table_stages, label_stages)
    found = [one for module in modules for name, one in vars(module).items() if name.endswith("Config")]
    built = {one for one in found if issubclass(one, StageConfig) and one is not StageConfig}
    assert {type(one) for one in every} == built


def test_a_training_and_a_pack_are_told_what_a_combination_combines():
    both = {"combines": ["market1501", "synthetic"], "sampling": "even"}
    config = configured(datasets={"both": both})
    training = stages.TrainConfig.of(config, "both", "resnet50", "3")
    assert training.roots == {"market1501": "data/market1501", "synthetic": "results/synthetic/source"}
    assert training.sampling == "even"
    pack = stages.PackConfig.of(config, "synthetic", "resnet50@both")
    assert (pack.trained_on, pack.combines, pack.name) == ("both", both["combines"], "resnet50@both")
    assert "- `market1501` (trained on): Market-1501, for research only" in pack.terms
    assert "- `synthetic` (trained and measured on): rendered by this project" in pack.terms
    alone = stages.PackConfig.of(config, "synthetic", "resnet50")
    assert (alone.trained_on, alone.combines, alone.terms) == ("synthetic", [], terms.RENDERED)


def test_a_stage_is_told_no_keys_that_it_does_not_read(config):
    """A stage runs again after what it is told, so the training must not know of matchings, nor labels of the gate."""
    training = stages.TrainConfig.of(config, "occluded_duke", "resnet50", "1").model_dump()["model"]
    assert not {"matching", "extra_matchings", "scheme", "visibility", "embedding_precision"} & set(training)
    assert "visibility" in stages.EmbedConfig.of(config, "occluded_duke", "resnet50").model_dump()["model"]
    labels = label_stages.LabelsConfig.of(config, "eight").model_dump()["labels"]
    assert not {"gate", "shards", "batch_size", "precision", "silhouettes"} & set(labels)
    listed = stages.ManifestConfig.of(config, "occluded_duke").model_dump()["dataset"]
    assert not {"scheme", "pifpaf", "labels_from", "seeds", "allow", "gate", "target_overrides"} & set(listed)
    fields = label_stages.FieldsConfig.of(config, "occluded_duke").model_dump()
    assert not {"training", "train_on", "shards"} & {*fields["pifpaf"], *fields["extraction"]}
