"""What a dry run says about wrong input: one line that names it and the way out."""

import os
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("margin: 0.3", "margins: 0.3", "loss.margins: unknown key"),
        ("learning_rate: 3.5e-4", "learning_rate: 3e-4", "training.learning_rate: Input should be a valid number"),
        pytest.param(
            "scheme: eight", "scheme: ninety", "datasets.market1501_eight.scheme: 'ninety'", marks=pytest.mark.slow
        ),
        pytest.param(
            "    seeds: [1]\n",
            "    gate: { labelled: 2 }\n",
            "datasets.synthetic.gate: labelled",
            marks=pytest.mark.slow,
        ),
        pytest.param("shards: 2", "shards: two", "labels.shards: Input should be a valid int", marks=pytest.mark.slow),
        pytest.param("extends: small", "extends: tiny", "models.small_strong.extends: 'tiny'", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_key_is_named_on_one_line(workflow, old, new, named):
    workflow.configure(old, new)
    (line,) = workflow.refusal()
    assert line.startswith("error: configuration: ")
    assert named in line


def test_a_missing_dataset_says_where_to_put_it(workflow):
    (line,) = workflow.refusal("results/market1501/manifest.csv")
    assert line.startswith("error: data/market1501 is missing: put the dataset there")


@pytest.mark.slow
def test_a_dry_run_lists_folders_as_they_are(workflow):
    root = workflow.folder / "data/market1501"
    root.mkdir(parents=True)
    (root / "circle").symlink_to(root)
    (root / "itself").symlink_to("itself")
    Path(os.fsdecode(bytes(root) + b"/\xff.txt")).touch()
    assert workflow.planned("results/market1501/manifest.csv").rules == {"manifest"}


@pytest.mark.slow
def test_a_file_where_the_dataset_should_be(workflow):
    (workflow.folder / "data").mkdir()
    (workflow.folder / "data/market1501").touch()
    (line,) = workflow.refusal("results/market1501/manifest.csv")
    assert line.startswith(
        "error: data/market1501 is a file where a folder should be: put the dataset there, or change"
    )


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["default", "slurm"])
@pytest.mark.parametrize("where", ["config.yaml", "schemes.yaml", "extra.yaml"])
def test_a_config_file_that_is_no_yaml_is_named_with_its_line(workflow, profile, where):
    (workflow.folder / where).write_text("models:\n  x: {a: 1\n  y: 2\n")
    more = ["--configfile", where] if where == "extra.yaml" else []
    (line,) = workflow.refusal("--workflow-profile", f"workflow/profiles/{profile}", *more)
    assert line.startswith("error: ")
    assert where in line
    assert "is no YAML: " in line
    assert "line 3" in line


@pytest.mark.slow
def test_a_key_that_a_config_file_has_twice_is_named(workflow):
    (workflow.folder / "extra.yaml").write_text("models:\n  x: {}\nmodels:\n  y: {}\n")
    (line,) = workflow.refusal("--configfile", "extra.yaml")
    assert line.endswith("extra.yaml: line 3: has 'models' as line 1 has; keep one")


def test_a_target_with_a_wrong_name_says_which(workflow):
    (line,) = workflow.refusal("results/syntetic/small/metrics.json")
    assert line == "error: results/syntetic/small/metrics.json: there is no dataset 'syntetic'; did you mean synthetic?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/synthetic/smal/ranking.png", "there is no model 'smal'; did you mean small"),
        ("results/synthetic/parsing/fife.qc.png", "there is no scheme 'fife'; did you mean five"),
        ("results/synthetic/small/seed1/defult.json", "there is no matching 'defult'; did you mean default?"),
        ("results/tables/dmo.so_far.md", "there is no table 'dmo.so_far'; did you mean demo.so_far"),
        ("logs/zzz/manifest.log", "there is no dataset 'zzz'; there are synthetic, "),
    ],
)
def test_every_name_of_a_target_is_checked(workflow, target, words):
    (line,) = workflow.refusal(target)
    assert line.startswith(f"error: {target}: {words}")
