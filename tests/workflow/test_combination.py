"""Training on several datasets, and a matrix of what is trained on each and searched in each, as targets."""

import csv
import re

import pytest
import yaml

from artefacts.provenance import sha256_of
from artefacts.weights import read_metadata
from tests.workflow.conftest import PROJECT, copy_with_tiny_demo, real_run, write

DRAWN = {"identities": 12, "images": 4, "cameras": 2, "distractors": 2, "junk": 0, "width": 64, "height": 128,
         "crowd": 0.0, "occlusion": 0.6}  # fmt: skip


def drawn(name: str, seed: int) -> dict:
    root = f"results/{name}/source"
    entry = {"reader": "market1501", "root": root, "scheme": "five", "pifpaf": "small"}
    return entry | {"synthetic": DRAWN | {"seed": seed}}


CONFIG = {
    "datasets": {
        "near": drawn("near", 8),
        "away": drawn("away", 9),
        "both": {"combines": ["near", "away"], "sampling": "even"},
    },
    "models": {"one": {"extends": "small", "extra_matchings": []}},
    "tables": {
        "cross": {
            "title": "Across domains",
            "matrix": {
                "trained_on": ["near", "both"], "searched_in": ["near", "away"], "model": "one", "matching": "default",
            },
        }
    },
}  # fmt: skip
TARGET, PAGE = "results/tables/cross.md", "results/tables/cross.html"
MADE = "results/away/one@both/metrics.json"


def configure(folder, **datasets: dict) -> None:
    changed = {name: entry | datasets.get(name, {}) for name, entry in CONFIG["datasets"].items()}
    write(folder / "cross.yaml", yaml.safe_dump(CONFIG | {"datasets": changed}))


def options(*targets: str) -> list[str]:
    return ["--configfile", "cross.yaml", "--", *targets]


def test_a_matrix_trains_once_on_each_and_searches_in_each(workflow):
    configure(workflow.folder)
    plan = workflow.planned(*options(TARGET))
    assert sorted(job for job in plan.jobs if job.startswith(("Training", "Embedding"))) == [
        "Embedding away with one@both, seed 1",
        "Embedding away with one@near, seed 1",
        "Embedding near with one, seed 1",
        "Embedding near with one@both, seed 1",
        "Training one on both, seed 1",
        "Training one on near, seed 1",
    ]
    assert len([job for job in plan.jobs if job.startswith("Merging")]) == 2  # labels of each are made once
    shell = workflow.planned("--printshellcmds", *options(TARGET)).text
    (train,) = (line for line in re.findall(r"python -m reid\.stages train .*", shell) if "results/both/" in line)
    assert "--manifest results/near/manifest.csv results/away/manifest.csv " in train
    assert "--labels results/near/parsing/five.h5 results/away/parsing/five.h5 " in train


def test_a_change_of_a_member_reruns_what_depends_on_it_alone(workflow):
    configure(workflow.folder)
    run = workflow.snakemake("--resources", "gpu=2", *options(TARGET, PAGE))
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in workflow.planned(*options(TARGET, PAGE)).text
    configure(workflow.folder, away={"synthetic": DRAWN | {"seed": 10}})
    jobs = workflow.planned(*options(TARGET, PAGE)).jobs
    assert {"Training one on both, seed 1", "Embedding near with one@both, seed 1"} <= set(jobs)
    assert not [job for job in jobs if re.search(r"(of|in) near|on near, seed", job) and "@both" not in job]
    configure(workflow.folder, both={"sampling": "size"})
    plan = workflow.planned(*options(TARGET, PAGE))
    assert plan.rules == {"train", "embed", "evaluate", "summarise", "tabulate", "compare"}
    assert not [job for job in plan.jobs if job.startswith("Training") and "both" not in job]


def test_nothing_is_trained_on_several_before_the_gate_of_each(workflow):
    """The message of a gate names the dataset: tests of stage gate."""
    stub = (workflow.folder / "stub/python").read_text()
    halt = 'case "$*" in *"gate "*results/away/*) exit 1 ;; esac\nwhile'
    (workflow.folder / "stub/python").write_text(stub.replace("while", halt, 1))
    configure(workflow.folder)
    result = workflow.snakemake("--keep-going", *options(MADE, "results/near/one/metrics.json"))
    assert result.returncode != 0
    assert "Checking the five labels of away" in result.stderr
    assert "Training one on both" not in result.stderr
    assert (workflow.folder / "results/near/one/metrics.json").exists()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            "results/both/one/metrics.json",
            "both combines near, away to train on, and has no images of its own; ask for what a model of it finds "
            "elsewhere, as results/near/MODEL@both/metrics.json",
        ),
        ("results/away/one@bath/metrics.json", "there is no model 'one@bath'; did you mean one@both"),
    ],
)
def test_what_cannot_be_searched_is_told_on_one_line(workflow, target, says):
    configure(workflow.folder)
    *_, line = workflow.refusal(*options(target))  # after a word about --configfile
    assert line.startswith(f"error: {target}: {says}")


@pytest.mark.slow
def test_the_rendered_domains_are_four_trainings_and_two_more(workflow):
    write(workflow.folder / "cross.yaml", (PROJECT / "benchmarks/domains.yaml").read_text())
    plan = workflow.planned(*options("results/tables/domains.md", "results/tables/domains_more.md"))
    assert len([job for job in plan.jobs if job.startswith("Training")]) == 6
    assert len([job for job in plan.jobs if job.startswith("Embedding")]) == 18
    assert len([job for job in plan.jobs if job.startswith("Writing table")]) == 2


@pytest.mark.slow
def test_from_drawn_people_to_the_matrix(tmp_path):
    """Real stages: two domains and both, one epoch, a pack of the model of both and the page of what made it all."""
    folder = copy_with_tiny_demo(tmp_path)
    configure(folder)
    pack = "results/away/one@both/pack/config.json"
    result = real_run(folder, *options(TARGET, PAGE, pack, "results/tables/cross.account.html"))
    assert result.returncode == 0, result.stdout + result.stderr
    with open(folder / "results/tables/cross.csv", newline="") as file:
        lines = {(line["label"], line["dataset"]): line for line in csv.DictReader(file)}
    assert list(lines) == [("near", "near"), ("near", "away"), ("both", "near"), ("both", "away")]
    assert all(0 < float(line["mAP"]) <= 100 for line in lines.values())
    assert len({line["mAP"] for line in lines.values()}) > 1
    header = (folder / TARGET).read_text().splitlines()[2]
    names = [name.strip() for name in header.strip("|").split("|")]
    assert names == ["Trained on", "near R-1", "near mAP", "away R-1", "away mAP", "runs", "batch", "recipe"]
    record = read_metadata(folder / "results/both/one/seed1/model.safetensors")["provenance"]
    for name in ("near", "away"):
        for what, path in (("manifest", "manifest.csv"), ("labels", "parsing/five.h5")):
            assert record["inputs"][f"{what} of {name}"]["sha256"] == sha256_of(folder / f"results/{name}/{path}")
    assert '"dataset": "near + away"' in (folder / pack).read_text()
    account = (folder / "results/tables/cross.account.html").read_text()
    assert "both/one/train.seed1" in account
    assert "replaced since" not in account
