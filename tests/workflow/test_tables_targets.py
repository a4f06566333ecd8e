"""Tables as targets: what is run for them, what is shown without, and what the rows of the ablations depend on."""

import json
import re
import shlex

import pytest
import yaml

from reid.config.root import Config
from reid.config.user_files import behind_images, behind_labels
from tests.workflow.conftest import PROJECT

AFTER_TRAIN = {"train", "embed", "evaluate", "summarise"}
FIXED = "results/synthetic/small_fixed_attention/metrics.json"
STRIPES = "results/synthetic/pcb_small/metrics.json"
TABLE = "results/tables/table2.md"
METRICS = "results/occluded_duke/resnet50/metrics.json"


def have_occluded_duke(workflow):
    """The dataset and the label network are at hand."""
    (workflow.folder / "data/occluded_duke/query").mkdir(parents=True)
    write(workflow.folder / "data/pifpaf/shufflenetv2k16.pkl", "weights")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def tabulated(workflow, target):
    """The plan for a table, and what its stage is told, with its metrics."""
    plan = workflow.planned("--printshellcmds", target)
    words = shlex.split(re.search(r"python -m reid\.stages tabulate .*", plan.text).group())
    told = json.loads(words[words.index("--config") + 1])
    return plan, told | {"metrics": words[words.index("--metrics") + 1 : words.index("--csv")]}


def test_a_table_whose_datasets_are_not_at_hand_runs_nothing(workflow):
    plan, told = tabulated(workflow, TABLE)
    assert plan.rules == {"tabulate"}
    assert told["missing"] == ["data/occluded_duke"]


def test_a_table_runs_what_can_be_run_of_it(workflow):
    have_occluded_duke(workflow)
    plan, told = tabulated(workflow, TABLE)
    models = {"resnet50", "bot", "resnet50_fixed_attention", "resnet50_each_part_triplet"}
    assert {*models, "resnet50_flip", "resnet50_visibility_training"} == {
        job.split()[1] for job in plan.jobs if job.startswith("Summarising")
    }
    assert len([job for job in plan.jobs if job.startswith("Training resnet50_fixed_attention")]) == 3
    assert told["missing"] == []


@pytest.mark.slow
def test_a_row_without_its_weights_is_left_out(workflow):
    have_occluded_duke(workflow)
    workflow.configure("fetch: true", "fetch: false")
    plan, told = tabulated(workflow, "results/tables/table1.md")
    assert not [job for job in plan.jobs if "market1501" in job or "resnet50_ibn" in job]
    others = {"data/dukemtmc", "data/occluded_reid", "data/p_dukemtmc"}
    assert set(told["missing"]) - others == {"data/market1501", "data/backbones/resnet50_ibn_a.pth"}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["results/tables/table2.so_far.md", TABLE])
def test_metrics_that_are_there_are_shown(workflow, target):
    """Of datasets that are not at hand; and of all, if nothing shall be run."""
    if target != TABLE:
        have_occluded_duke(workflow)
    write(workflow.folder / METRICS, "metrics")
    plan, told = tabulated(workflow, target)
    assert plan.rules == {"tabulate"}
    assert told["metrics"] == [METRICS]
    assert workflow.snakemake(target).returncode == 0
    assert not workflow.planned(target).rules
    write(workflow.folder / METRICS, "other metrics")
    assert workflow.planned(target).rules == {"tabulate"}


def test_every_shipped_dataset_can_be_in_a_table(workflow, config: Config):
    """With all that is reported of a table; a row a dataset, of a model that learns from labels."""
    rows = [{"label": "x", "dataset": name, "model": "resnet50", "matching": "default"} for name in config.datasets]
    short = {"datasets": {name: {"seeds": [1]} for name in config.datasets}}
    write(workflow.folder / "every.yaml", yaml.safe_dump(short | {"tables": {"every": {"title": "E", "rows": rows}}}))
    files = [file for kind in (behind_images, behind_labels) for name in config.datasets for file in kind(config, name)]
    for path in (workflow.folder / file.path for file in files):
        write(path, "content") if path.suffix else path.mkdir(parents=True, exist_ok=True)
    targets = [f"results/tables/every{ending}" for ending in (".md", ".html", ".account.html")]
    plan = workflow.planned("--configfile", "every.yaml", "--", *targets)
    for name, dataset in config.datasets.items():
        labelled = "Converting the labels of {}" if dataset.labels_from else "Merging the body parts of {}"
        for message in (labelled, "Embedding {} with resnet50, seed 1", "Drawing the attention of resnet50 on {}"):
            assert name == "synthetic" or message.format(name) in plan.jobs
    assert plan.rules >= {"tabulate", "compare", "account"}


@pytest.mark.slow
def test_the_labels_of_query_and_gallery_are_an_input_where_they_are_the_attention(workflow):
    assert workflow.snakemake(FIXED, "results/synthetic/small/metrics.json").returncode == 0
    workflow.configure("threshold: 0.5 #", "threshold: 0.6 #")
    shell = workflow.planned("--printshellcmds", FIXED).text
    (embedding,) = re.findall(r"python -m reid\.stages embed .*", shell)
    assert "--labels results/synthetic/parsing/five.h5 --embeddings" in embedding
    assert workflow.planned(FIXED).rules == {"labels", "gate"} | AFTER_TRAIN
    learnt = workflow.planned("--printshellcmds", "results/synthetic/small/metrics.json").text
    assert "--labels" not in re.findall(r"python -m reid\.stages embed .*", learnt)[0]


@pytest.mark.slow
def test_stripes_depend_on_no_labels(workflow):
    assert workflow.snakemake(STRIPES).returncode == 0
    workflow.configure("feet: [15, 16]", "feet: [15]")
    assert not workflow.planned(STRIPES).rules
    small = "extends: small\n    head: { attention: stripes, stripes: "
    workflow.configure(f"{small}6", f"{small}5")
    assert workflow.planned(STRIPES).rules == AFTER_TRAIN


@pytest.mark.slow
def test_a_model_s_own_part_scheme_decides_its_labels(workflow):
    target = "results/synthetic/small_eight/metrics.json"
    assert workflow.snakemake(target).returncode == 0
    workflow.configure("left_foot: [15]", "left_foot: [15, 17]")
    assert workflow.planned(target).rules == {"labels", "gate"} | AFTER_TRAIN
    assert not workflow.planned("results/synthetic/small/metrics.json").rules


@pytest.mark.slow
def test_visibility_in_training_is_part_of_the_training(workflow):
    target = "results/synthetic/small_visibility_training/metrics.json"
    assert workflow.snakemake(target).returncode == 0
    rule = "small, loss: { triplet_visibility: { rule: threshold, threshold: 0.4"
    workflow.configure(rule, rule.replace("0.4", "0.3"))
    assert workflow.planned(target).rules == AFTER_TRAIN


def test_recipe_strong_is_one_target(workflow):
    have_occluded_duke(workflow)
    plan = workflow.planned("--printshellcmds", "results/occluded_duke/hrnet_strong/metrics.json")
    words = [shlex.split(line) for line in re.findall(r"python -m reid\.stages train .*", plan.text)]
    told = [json.loads(line[line.index("--config") + 1]) for line in words]
    assert sorted(config["seed"] for config in told) == [1, 2, 3]
    assert {config["model"]["augmentation"]["occlusion"]["probability"] for config in told} == {0.3}
    assert {config["model"]["backbone"]["name"] for config in told} == {"hrnet_w32"}
    assert "results/occluded_duke/hrnet_strong/seed3/unit.json" in plan.text


@pytest.mark.slow
def test_the_ingredients_are_72_trainings_and_tables_2_on_the_street_twelve(workflow):
    for name in ("street", "ingredients"):
        write(workflow.folder / f"{name}.yaml", (PROJECT / f"benchmarks/{name}.yaml").read_text())
    both = workflow.planned("--configfile", "street.yaml", "ingredients.yaml", "--", "results/tables/ingredients.md")
    assert len([job for job in both.jobs if job.startswith("Training")]) == 72
    street = workflow.planned("--configfile", "street.yaml", "--", "results/tables/street.md")
    assert len([job for job in street.jobs if job.startswith("Training")]) == 12


@pytest.mark.slow
def test_the_story_is_45_trainings(workflow):
    write(workflow.folder / "story.yaml", (PROJECT / "benchmarks/story.yaml").read_text())
    targets = ("results/tables/story.md", "results/tables/story_losses.md")
    plan = workflow.planned("--configfile", "story.yaml", "--", *targets)
    assert len([job for job in plan.jobs if job.startswith("Training")]) == 45
