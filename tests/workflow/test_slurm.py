"""The demo as jobs of a real Slurm: placed by what they need, and finished although jobs run out of memory and time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.slurm import MISSING, Cluster, cluster
from tests.workflow.conftest import PROJECT, copy_with_tiny_demo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed ({', '.join(MISSING)}); make test-slurm does it"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the daemons of Slurm"),
]
ON_GPUS = {"fields", "train", "embed"}
EPOCHS = 300  # more than a minute on a fast machine, although the job before the preempted one has done a part
PARTITIONS = {"partitions": {name: {"max_runtime": 1500, "max_gpu": gpus} for name, gpus in (("cpu", 0), ("gpu", 1))}}
COMMAND = (
    "--workflow-profile",
    "workflow/profiles/slurm",
    "--slurm-no-account",
    "--seconds-between-status-checks",
    "5",
)
LITTLE = ("--set-threads", *(f"{rule}=1" for rule in ("draw", "fields", "train", "embed", "evaluate", "rank")))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Cluster:
    with cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="module")
def project(slurm: Cluster, tmp_path_factory) -> Path:
    """The finished demo. Its training first has too little memory, then a minute at a time, and is preempted once."""
    folder = copy_with_tiny_demo(tmp_path_factory.mktemp("project"))
    edit(folder / "config.yaml", lambda content: content["models"]["small"]["training"].update(epochs=EPOCHS))
    edit(folder / "config.yaml", lambda content: content["models"]["bot_small"].update(training={"epochs": 1}))
    edit(folder / "workflow/profiles/slurm/config.yaml", lambda content: content.update(retries=40))
    scarce = {"mem_mb": "400 * 20 ** min(attempt - 1, 1)", "runtime": 1}
    edit(folder / "workflow/profiles/slurm/config.yaml", lambda content: content["set-resources"].update(train=scarce))
    (folder / "partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))
    command = [sys.executable, "-m", "snakemake", *COMMAND, "--slurm-partition-config", "partitions.yaml", *LITTLE]
    with open(folder / "output", "w") as output:
        run = subprocess.Popen(command, cwd=folder, env=slurm.environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        preempt(slurm, run, folder / "state/synthetic/small/seed1")
        assert run.wait(timeout=5400) == 0, (folder / "output").read_text()[-5000:]
    finally:
        run.terminate()
    return folder


def edit(path: Path, change) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def preempt(slurm: Cluster, run: subprocess.Popen, state: Path) -> None:
    """Once the training has something to lose, want its GPU for something more urgent."""
    while run.poll() is None and not list(state.glob("*/state.pt")):
        time.sleep(1)
    slurm.call("sbatch", "--partition=urgent", "--gpus=1", "--mem=10", "--output=/dev/null", "--wrap=sleep 3")


def jobs_of(slurm: Cluster, *rules: str) -> list[dict[str, str]]:
    """The Slurm jobs of these rules; the comment of a job names its rule."""
    return [job for job in slurm.jobs() if job.get("Comment", "").removeprefix("rule_").split("_wildcards")[0] in rules]


def trainings(slurm: Cluster) -> list[dict[str, str]]:
    return [job for job in jobs_of(slurm, "train") if "_small" in job["Comment"] and "bot_small" not in job["Comment"]]


def test_the_demo_is_finished(project):
    assert (project / "results/tables/demo.md").read_text().count("|") > 12
    assert (project / "results/tables/demo.account.html").exists()


def test_jobs_are_placed_by_what_they_need(slurm, project):
    assert {job["Partition"] for job in jobs_of(slurm, *ON_GPUS)} == {"gpu"}
    others = [job for job in slurm.jobs() if job["Partition"] == "cpu"]
    assert len(others) > 10
    assert not set(map(id, others)) & set(map(id, jobs_of(slurm, *ON_GPUS)))
    assert all("gpu:1" in job["TresPerJob"] for job in jobs_of(slurm, *ON_GPUS))
    (drawing,) = jobs_of(slurm, "draw")
    profile = yaml.safe_load((PROJECT / "workflow/profiles/slurm/config.yaml").read_text())
    assert profile["set-resources"]["draw"]["mem_mb"] == "8000 * attempt"
    assert drawing["MinMemoryNode"] == "8000M"


def test_a_job_out_of_memory_is_run_again_with_more(slurm, project):
    first, second, *_ = trainings(slurm)
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("400M", "8000M")
    assert first["JobState"] != "COMPLETED"
    (log,) = project.glob(f".snakemake/slurm_logs/rule_train/*/{first['JobId']}.log")
    assert "exceeded memory limit" in log.read_text()


def test_a_training_cut_off_by_its_time_limit_goes_on(slurm, project):
    states = [job["JobState"] for job in trainings(slurm)]
    assert "TIMEOUT" in states
    assert states[-1] == "COMPLETED"
    history = pd.read_csv(project / "results/synthetic/small/seed1/history.csv")
    assert history["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert "epoch=1," not in (project / "logs/synthetic/small/train.seed1.log").read_text()


def test_a_preempted_training_is_queued_again(slurm, project):
    assert sum(int(job["Restarts"]) for job in trainings(slurm)) >= 1
    assert all(job["Requeue"] == "1" for job in jobs_of(slurm, "train"))


def test_a_second_run_does_nothing(slurm, project):
    command = [sys.executable, "-m", "snakemake", *COMMAND]
    again = subprocess.run(command, cwd=project, env=slurm.environment, capture_output=True, text=True)
    assert "Nothing to be done" in again.stdout + again.stderr
