"""A gallery's index as jobs: which run, and which again after what."""

import sys

import pytest

from tests.people import stage
from tests.workflow.test_reruns import add_statement

TARGET = "results/synthetic/small/gallery.faiss"
INDEXING = {"index_train", "index_add", "index_merge"}


def test_shards_are_independent_jobs_that_one_merges(workflow):
    workflow.configure("shards: 2 # independent jobs\n", "shards: 3 # independent jobs\n")
    plan = workflow.planned(TARGET)
    assert plan.rules == {"gallery", *INDEXING}  # the rest is there
    for message in ("Taking the gallery of synthetic as small sees it", "Indexing the gallery of synthetic for small"):
        jobs = sorted(job for job in plan.jobs if job.startswith(message))
        assert jobs == [f"{message}, shard {n}-of-3" for n in range(3)]
    assert not workflow.planned().rules  # no default target asks for it


@pytest.mark.slow
def test_what_changes_an_index_makes_it_anew(workflow):
    run = workflow.snakemake("--", TARGET)
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in workflow.planned(TARGET).text
    folder = workflow.folder / "results/synthetic/small/gallery"
    assert sorted(path.name for path in folder.iterdir()) == ["0-of-2.npz", "1-of-2.npz"]
    workflow.configure("codes: scalar", "codes: product")
    assert workflow.planned(TARGET).rules == INDEXING
    workflow.configure("codes: product", "codes: scalar")
    (folder / "1-of-2.npz").write_text("changed")
    plan = workflow.planned(TARGET)
    assert plan.rules == INDEXING  # whose lists are made of a sample of all shards
    add_statement(workflow.folder / "reid/search/stored.py")
    assert workflow.planned(TARGET).rules == {"gallery", *INDEXING}


def test_without_faiss_the_first_job_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "faiss", None)
    told = {"config": {"codes": "scalar"}, "features": tmp_path / "f.npz", "trained": tmp_path / "t.faiss"}
    assert stage("index-train", **told) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: faiss: cannot be imported")
    assert line.endswith("install it: pip install '.[faiss]'")
