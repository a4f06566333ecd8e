"""Jobs that want a GPU take turns: never more at a time than `--resources gpu` allows, by default one."""

from itertools import accumulate

import pytest

pytestmark = pytest.mark.slow
WATCHED = """case "$3" in fields|train|embed) echo +1 >> trace; sleep 1; trap 'echo -1 >> trace' EXIT ;; esac
while"""


@pytest.mark.parametrize(("asked", "most"), [((), 1), (("--resources", "gpu=2"), 2)])
def test_the_number_of_gpus_is_never_exceeded(workflow, asked, most):
    stub = workflow.folder / "stub/python"
    stub.write_text(stub.read_text().replace("while", WATCHED, 1))
    workflow.configure("seed: 7,", "seed: 8,")
    result = workflow.snakemake("--cores", "4", *asked)
    assert result.returncode == 0, result.stderr
    steps = [int(line) for line in (workflow.folder / "trace").read_text().split()]
    assert len(steps) == 2 * (2 + 2 + 2)  # shards, trainings, embeddings
    assert max(accumulate(steps)) == most
