"""The lines of docs/use.md about large galleries, on the real demo of few people; needs faiss (make test-extras)."""

import json
import shutil

import pytest

from tests.pages import blocks_of, run_in_shell
from tests.workflow.test_index import TARGET

pytest.importorskip("faiss", reason="needs faiss-cpu: make test-extras EXTRAS=faiss")
pytestmark = pytest.mark.slow
SEARCH = "reid search query.jpg --top 1000 --model results/synthetic/small/pack"


@pytest.fixture(scope="module")
def folder(tiny_demo, tmp_path_factory):
    """A finished demo in which every line was run, and some that others are compared with."""
    folder = shutil.copytree(tiny_demo, tmp_path_factory.mktemp("gallery") / "demo", symlinks=True)
    shards = "results/synthetic/small/gallery/*.npz"
    run_in_shell(
        folder,
        *(block.code for block in blocks_of(__file__)),
        f"reid index {shards} --output whole.faiss",
        f"{SEARCH} --gallery {shards} --output exact.json",
        f"{SEARCH} --gallery {shards} --index {TARGET} --output jobs.json",
        f"{SEARCH} --gallery shard1 shard2 --output photos.json",
        f"{SEARCH} --gallery shard1.npz shard2.npz --index shard1.faiss shard2.faiss --output shards.json",
    )
    return folder


def test_the_jobs_make_the_index_that_is_built_in_one_go(folder):
    assert (folder / TARGET).read_bytes() == (folder / "whole.faiss").read_bytes()
    assert {path.suffix for path in (folder / TARGET).with_suffix("").iterdir()} == {".npz"}  # the rest was temporary


@pytest.mark.parametrize(("through", "exact"), [("jobs", "exact"), ("shards", "photos")])
def test_what_they_find_is_what_exact_search_finds(folder, through, exact):
    hits, expected = (json.loads((folder / f"{name}.json").read_text()) for name in (through, exact))
    assert len(hits) > 20
    assert [hit["image"] for hit in hits] == [hit["image"] for hit in expected]
    assert [hit["distance"] for hit in hits] == pytest.approx([hit["distance"] for hit in expected], rel=1e-5)
