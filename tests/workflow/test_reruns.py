"""Which jobs run again after which edit, as a dry run tells (the contract is in workflow/rules/common.smk)."""

import os
import random
import re
from pathlib import Path

import pytest

TABLE = {"tabulate", "compare", "account"}
AFTER_EVALUATE = {"evaluate", "summarise", "rank", "pack", *TABLE}
AFTER_TRAIN = {"train", "curves", "embed", "attention", *AFTER_EVALUATE}
AFTER_LABELS = {"labels", "gate", "quality", *AFTER_TRAIN}


def test_dates_and_comments_rerun_nothing(workflow):
    for source in workflow.folder.rglob("*.py"):
        source.write_text(source.read_text() + "\n# a remark\n")
    workflow.edit(
        "reid/stages/train.py",
        '"""',
        '"""Reworded. ',
    )
    files = [path for path in workflow.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    for path in random.Random(0).sample(files, len(files)):
        os.utime(path, times=(path.stat().st_atime, path.stat().st_mtime + random.Random(path.name).uniform(0, 1e5)))
    assert "Nothing to be done" in workflow.planned().text


def test_a_loss_reruns_training_and_what_follows(workflow):
    add_statement(workflow.folder / "reid/losses/triplet.py")
    assert workflow.planned().rules == AFTER_TRAIN


def test_the_distance_reruns_evaluation_and_what_follows(workflow):
    add_statement(workflow.folder / "reid/evaluation/distance.py")
    assert workflow.planned().rules == AFTER_EVALUATE


def test_a_part_scheme_reruns_its_labels_and_what_follows(workflow):
    workflow.configure("feet: [15, 16]\n  five_v", "feet: [15]\n  five_v")
    assert workflow.planned().rules == AFTER_LABELS


def test_another_scheme_reruns_that_dataset_alone(workflow):
    workflow.configure("  market1501:\n", f"{OTHER}  market1501:\n")
    targets = ("results/synthetic/small/metrics.json", "results/other/small/metrics.json")
    run = workflow.snakemake("--resources", "gpu=2", "--", *targets)
    assert run.returncode == 0, run.stderr
    workflow.configure(OTHER, OTHER.replace("scheme: five", "scheme: eight"))
    plan = workflow.planned(*targets)
    assert plan.rules == AFTER_LABELS - {"quality", "rank", "pack", "attention", "curves", *TABLE}
    assert not [job for job in plan.jobs if "synthetic" in job]


OTHER = """  other:
    reader: market1501
    root: results/other/source
    scheme: five
    pifpaf: small
    synthetic:
      { seed: 9, identities: 10, images: 4, cameras: 2, distractors: 0, junk: 0,
        width: 64, height: 128, crowd: 0.0, occlusion: 0.6 }
"""


def test_a_training_key_reruns_training_and_what_follows(workflow):
    workflow.configure("epochs: 25", "epochs: 26")
    assert workflow.planned().rules == AFTER_TRAIN


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("batch_size: 8 #", "batch_size: 9 #", {"fields", "merge"} | AFTER_LABELS),
        ("threshold: 0.5 #", "threshold: 0.6 #", AFTER_LABELS),
        ("queries: 8", "queries: 9", {"rank", "account"}),
        ("images: 8\n", "images: 9\n", {"attention", "account"}),
        ("title: Synthetic people", "title: Rendered people", TABLE),
        (
            "no_visibility: { embeddings: [foreground, parts]",
            "no_visibility: { embeddings: [parts]",
            {"evaluate", "summarise", "pack", *TABLE},
        ),
        (
            "    extra_matchings: [no_visibility, each]",
            "    extra_matchings: [no_visibility, each, parts]",
            {"evaluate", "summarise", "pack", *TABLE},
        ),
        ("rule: threshold, threshold: 0.4", "rule: threshold, threshold: 0.3", {"embed", "attention"} | AFTER_EVALUATE),
        ("small: # our own", "small: # our ", set()),
        ("warmup_steps: 200", "warmup_steps: 201", set()),
    ],
)
def test_a_key_reruns_the_stages_that_read_it(workflow, old, new, rules):
    workflow.configure(old, new)
    assert workflow.planned().rules == rules


def test_what_is_allowed_is_said_in_the_protocol_and_reruns_nothing_else(workflow):
    workflow.configure("    seeds: [1]\n", "    seeds: [1]\n    allow: [absent]\n")
    assert workflow.planned().rules == {"protocol"}


@pytest.mark.slow
def test_the_words_of_the_protocol_rerun_nothing_else(workflow):
    add_statement(workflow.folder / "reid/report/protocol.py")
    assert workflow.planned().rules == {"protocol"}


@pytest.mark.slow
def test_unreadable_images_that_are_left_out_concern_protocol_and_labels(workflow):
    workflow.configure("unreadable: fail", "unreadable: leave_out")
    assert workflow.planned().rules == {"protocol"} | AFTER_LABELS


@pytest.mark.slow
def test_a_table_of_the_same_size_reruns_the_manifest(workflow):
    entry = "  own: { reader: table, root: data/own, options: { file: data/own.csv }, scheme: five, pifpaf: small }\n"
    workflow.configure("  market1501:\n", f"{entry}  market1501:\n")
    (workflow.folder / "data/own").mkdir(parents=True)
    target, table = "results/own/accepted.txt", workflow.folder / "data/own.csv"
    assert workflow.refusal(target)[0].startswith("error: data/own.csv is missing: put the table there, or change")
    table.write_text("path,identity\na.jpg,1\n")
    assert workflow.snakemake(target).returncode == 0
    assert not workflow.planned(target).rules
    table.write_text("path,identity\na.jpg,2\n")
    assert workflow.planned(target).rules == {"manifest", "check"}


def test_targets_that_a_person_names_rerun_the_labels(workflow):
    workflow.configure("    seeds: [1]\n", "    seeds: [1]\n    target_overrides: targets.csv\n")
    assert workflow.refusal()[0].startswith(
        "error: targets.csv is missing: put the table there, or change datasets.syn"
    )
    (workflow.folder / "targets.csv").write_text("key,x,y\n")
    assert workflow.planned().rules == AFTER_LABELS


@pytest.mark.slow
def test_other_limits_of_the_gate_rerun_nothing(workflow):
    workflow.configure("visible_parts: 1.0", "visible_parts: 1.5")
    assert not workflow.planned().rules


@pytest.mark.slow
def test_nothing_is_trained_before_the_gate(workflow):
    stub = (workflow.folder / "stub/python").read_text()
    (workflow.folder / "stub/python").write_text(stub.replace("while", '[ "$3" != gate ] || exit 1\nwhile', 1))
    workflow.configure("threshold: 0.5 #", "threshold: 0.6 #")
    result = workflow.snakemake(content="second")
    assert result.returncode != 0
    assert "rule gate" in result.stdout + result.stderr
    assert "second" in (workflow.folder / "results/synthetic/parsing/five.h5").read_text()
    assert "first" in (workflow.folder / "results/synthetic/small/seed1/model.safetensors").read_text()


@pytest.mark.slow
def test_nothing_is_labelled_before_the_check(workflow):
    stub = (workflow.folder / "stub/python").read_text()
    (workflow.folder / "stub/python").write_text(stub.replace("while", '[ "$3" != check ] || exit 1\nwhile', 1))
    workflow.configure("seed: 7,", "seed: 8,")
    run = workflow.snakemake("--keep-going")
    assert run.returncode != 0
    assert "Checking the protocol of synthetic" in run.stderr
    assert "Finding body parts" not in run.stderr


@pytest.mark.slow
def test_a_dataset_without_a_training_half_takes_the_model_of_another(workflow):
    workflow.configure("  market1501:\n", f"{OTHER}    trains_on: synthetic\n  market1501:\n")
    plan = workflow.planned("results/other/small/metrics.json", "results/other/small/attention.png")
    assert "train" not in plan.rules
    assert "Embedding other with small, seed 1" in plan.jobs
    assert not [job for job in plan.jobs if "synthetic" in job]


@pytest.mark.slow
def test_a_report_holds_the_pictures(workflow):
    result = workflow.snakemake("--report", "report.html")
    assert result.returncode == 0, result.stderr
    text = (workflow.folder / "report.html").read_text()
    assert all(name in text for name in ("five.qc.png", "ranking.png", "attention.png", "demo.csv"))


@pytest.mark.slow
def test_threads_and_resources_rerun_nothing(workflow):
    text = workflow.snakemake("-n", "--set-threads", "train=2", "--resources", "gpu=8").stdout
    assert "Nothing to be done" in text


@pytest.mark.slow
@pytest.mark.parametrize(("options", "threads"), [(("8", "gpu=1"), 8), (("8", "gpu=2"), 4), (("64", "gpu=1"), 16)])
def test_training_and_embedding_take_the_cores_of_their_gpu(workflow, options, threads):
    cores, gpus = options
    shown = workflow.snakemake("--dry-run", "--printshellcmds", "--forceall", "--cores", cores, "--resources", gpus)
    used = re.findall(r"python -m reid.stages (?:train|embed) .*--threads (\d+)", shown.stdout + shown.stderr)
    assert [int(number) for number in used] == [threads] * 4, shown.stderr


@pytest.mark.slow
def test_a_run_that_stopped_between_two_stages_is_made_up_for(workflow):
    workflow.configure("threshold: 0.5 #", "threshold: 0.6 #")
    run = workflow.snakemake("--until", "labels", content="second")
    assert run.returncode == 0, run.stderr
    assert workflow.planned().rules == AFTER_LABELS - {"labels"}


@pytest.mark.slow
def test_new_weights_under_the_same_name_rerun_the_fields(workflow):
    (workflow.folder / "resources/pifpaf/small.safetensors").write_text("other weights")
    assert {"fields", "merge", "train"} <= workflow.planned().rules


@pytest.mark.slow
def test_an_exchanged_image_reruns_the_manifest(workflow):
    image = workflow.folder / "data/market1501/query/0001_c1s1_000001_00.jpg"
    image.parent.mkdir(parents=True)
    image.write_text("image")
    target = "results/market1501/manifest.csv"
    assert workflow.snakemake(target).returncode == 0
    os.utime(image)
    assert not workflow.planned(target).rules
    image.write_text("another image")
    assert workflow.planned(target).rules == {"manifest"}


def add_statement(source: Path) -> None:
    source.write_text(source.read_text() + "\nEDITED = True\n")
