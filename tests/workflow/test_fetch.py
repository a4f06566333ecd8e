"""Rule fetch: for weights that are missing, and for no file that is there."""

import pytest

from tests.server import CONTENT, NAME, answering, fails, right
from tests.workflow.conftest import real_run, write

WEIGHTS = "data/pifpaf/shufflenetv2k16.pkl"
METRICS = "results/market1501/resnet50/metrics.json"
MESSAGE = f"Downloading {WEIGHTS}"


@pytest.fixture
def market(workflow):
    """A workflow with a dataset of the user's, whose labels need a network that is not there."""
    (workflow.folder / "data/market1501").mkdir(parents=True)
    return workflow


def test_a_dry_run_shows_what_is_missing_and_fetch_false_forbids_it(market):
    plan = market.planned(METRICS)
    assert [job for job in plan.jobs if job.startswith("Downloading")] == [MESSAGE]
    market.configure("fetch: true", "fetch: false")
    (line,) = market.refusal(METRICS)
    address = r"https://github.com/openpifpaf/torchhub/releases/download/v0.13/shufflenetv2k16-210820-232500-cocokp-"
    assert line.startswith(f"error: {WEIGHTS} is missing: download {address}")
    assert line.endswith("and put it there, or change pifpaf.shufflenetv2k16.weights")


def test_a_file_of_the_user_s_is_never_made_again(market):
    path = write(market.folder / WEIGHTS, "the user's")
    market.edit("reid/stages/fetch.py", "config = FetchConfig", "print()\n    config = FetchConfig")
    market.configure("v0.13/shufflenetv2k16", "v0.14/shufflenetv2k16")
    assert MESSAGE not in market.planned("--forceall", METRICS).jobs
    assert path.read_text() == "the user's"


@pytest.mark.slow
def test_a_fetched_file_is_the_user_s_from_then_on(workflow):
    """Nothing fetches or deletes it, whatever changes or fails."""
    with answering(fails(404), right) as (server, asked):
        content = (workflow.folder / "config.yaml").read_text()
        address = next(line for line in content.splitlines() if line.startswith(f"  {WEIGHTS}: "))
        workflow.configure(address, f"  {WEIGHTS}: {server}/{NAME}")
        failed = real_run(workflow.folder, "--", WEIGHTS)
        assert failed.returncode != 0
        assert f"error: {WEIGHTS}: cannot be downloaded from {server}/{NAME}" in failed.stdout + failed.stderr
        assert not (workflow.folder / WEIGHTS).exists()
        assert real_run(workflow.folder, "--", WEIGHTS).returncode == 0
        assert (workflow.folder / WEIGHTS).read_bytes() == CONTENT
        write(workflow.folder / WEIGHTS, "the user's, later")
        workflow.edit("reid/stages/fetch.py", "config = FetchConfig", "print()\n    config = FetchConfig")
        workflow.configure(f"{server}/{NAME}", f"{server}/other-1a2b3c4d.pth")
        for option in ("--rerun-incomplete", "--forceall", "--delete-all-output"):
            again = real_run(workflow.folder, option, "--", WEIGHTS)
            assert again.stderr.splitlines()[-1].startswith(
                f"error: {WEIGHTS} is there already: what is there is never"
            )
    assert (workflow.folder / WEIGHTS).read_text() == "the user's, later"
    assert len(asked) == 2


@pytest.mark.slow
def test_what_was_made_with_a_fetched_file_is_not_made_again(market):
    """Neither by the next run, nor where the file is gone."""
    market.edit("stub/python", "results/*)", "results/*|data/*)")
    assert market.snakemake("--resources", "gpu=2", "--", METRICS).returncode == 0
    assert (market.folder / WEIGHTS).exists()
    assert market.planned(METRICS).rules == set()
    (market.folder / WEIGHTS).unlink()
    assert market.planned(METRICS).rules == set()
    write(market.folder / WEIGHTS, "another network")
    assert "fields" in market.planned(METRICS).rules
