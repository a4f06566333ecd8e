"""Tables as targets: what is run for them, what is shown without, and what the rows of the ablations depend on."""

import json
import re

import pytest

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
    """The shell command that writes a table."""
    plan = workflow.planned("--printshellcmds", target)
    return plan, re.search(r"python -m reid tabulate .*", plan.text).group()


def test_a_table_whose_datasets_are_not_at_hand_runs_nothing(workflow):
    plan, command = tabulated(workflow, TABLE)
    assert plan.rules == {"tabulate"}
    assert '"missing": ["data/occluded_duke", "data/pifpaf/shufflenetv2k16.pkl"]' in command


def test_a_table_runs_what_can_be_run_of_it(workflow):
    have_occluded_duke(workflow)
    plan, command = tabulated(workflow, TABLE)
    models = {"resnet50", "bot", "resnet50_fixed_attention", "resnet50_each_part_triplet"}
    assert {*models, "resnet50_flip", "resnet50_visibility_training"} == {
        job.split()[1] for job in plan.jobs if job.startswith("Summarising")
    }
    assert len([job for job in plan.jobs if job.startswith("Training resnet50_fixed_attention")]) == 3
    assert '"missing": []' in command


@pytest.mark.slow
def test_a_row_without_its_weights_is_left_out(workflow):
    have_occluded_duke(workflow)
    plan, command = tabulated(workflow, "results/tables/table1.md")
    assert not [job for job in plan.jobs if "market1501" in job or "resnet50_ibn" in job]
    (missing,) = re.findall(r'"missing": (\[[^]]*\])', command)
    others = {"data/dukemtmc", "data/occluded_reid", "data/p_dukemtmc"}
    assert set(json.loads(missing)) - others == {"data/market1501", "data/backbones/resnet50_ibn_a.pth"}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["results/tables/table2.so_far.md", TABLE])
def test_metrics_that_are_there_are_shown(workflow, target):
    """Of datasets that are not at hand; and of all, if nothing shall be run."""
    if target != TABLE:
        have_occluded_duke(workflow)
    write(workflow.folder / METRICS, "metrics")
    plan, command = tabulated(workflow, target)
    assert plan.rules == {"tabulate"}
    assert f"--metrics  {METRICS} --csv" in command
    assert workflow.snakemake(target).returncode == 0
    assert not workflow.planned(target).rules
    write(workflow.folder / METRICS, "other metrics")
    assert workflow.planned(target).rules == {"tabulate"}


@pytest.mark.slow
def test_the_labels_of_query_and_gallery_are_an_input_where_they_are_the_attention(workflow):
    assert workflow.snakemake(FIXED, "results/synthetic/small/metrics.json").returncode == 0
    workflow.edit("config.yaml", "threshold: 0.5 #", "threshold: 0.6 #")
    shell = workflow.planned("--printshellcmds", FIXED).text
    (embedding,) = re.findall(r"python -m reid embed .*", shell)
    assert "--labels results/synthetic/parsing/five.h5 --embeddings" in embedding
    assert workflow.planned(FIXED).rules == {"labels", "gate"} | AFTER_TRAIN
    learnt = workflow.planned("--printshellcmds", "results/synthetic/small/metrics.json").text
    assert "--labels" not in re.findall(r"python -m reid embed .*", learnt)[0]


@pytest.mark.slow
def test_stripes_depend_on_no_labels(workflow):
    assert workflow.snakemake(STRIPES).returncode == 0
    workflow.edit("config.yaml", "feet: [15, 16]", "feet: [15]")
    assert not workflow.planned(STRIPES).rules
    workflow.edit("paper.yaml", "stripes: 6, reduction: 256", "stripes: 5, reduction: 256")
    assert workflow.planned(STRIPES).rules == AFTER_TRAIN


@pytest.mark.slow
def test_a_model_s_own_part_scheme_decides_its_labels(workflow):
    target = "results/synthetic/small_eight/metrics.json"
    assert workflow.snakemake(target).returncode == 0
    workflow.edit("config.yaml", "left_foot: [15]", "left_foot: [15, 17]")
    assert workflow.planned(target).rules == {"labels", "gate"} | AFTER_TRAIN
    assert not workflow.planned("results/synthetic/small/metrics.json").rules


@pytest.mark.slow
def test_visibility_in_training_is_part_of_the_training(workflow):
    target = "results/synthetic/small_visibility_training/metrics.json"
    assert workflow.snakemake(target).returncode == 0
    rule = "small, loss: { triplet_visibility: { rule: threshold, threshold: 0.4"
    workflow.edit("paper.yaml", rule, rule.replace("0.4", "0.3"))
    assert workflow.planned(target).rules == AFTER_TRAIN


@pytest.mark.slow
def test_the_story_is_45_trainings(workflow):
    write(workflow.folder / "story.yaml", (PROJECT / "benchmarks/story.yaml").read_text())
    targets = ("results/tables/story.md", "results/tables/story_losses.md")
    plan = workflow.planned("--configfile", "story.yaml", "--", *targets)
    assert len([job for job in plan.jobs if job.startswith("Training")]) == 45
