"""Weights of equal content are equal bytes, and those of earlier versions are read."""

import json

import pytest
import torch
from safetensors.torch import save_file

from artefacts.weights import read_metadata, read_weights, write_weights
from tests.conftest import PROJECT

METADATA = {name: {"of": name} for name in ("config", "identities", "part_names", "provenance", "stage")}
WEIGHTS = {name: torch.arange(3.0) for name in ("b", "a")}


def test_the_same_content_is_the_same_bytes(tmp_path):
    for number in range(4):
        write_weights(tmp_path / f"{number}", WEIGHTS, METADATA)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    weights, metadata = read_weights(tmp_path / "0")
    assert metadata == read_metadata(tmp_path / "0") == METADATA
    assert torch.equal(weights["a"], WEIGHTS["a"])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"config": json.dumps({"a": [1]}), "identities": "3"}, {"config": {"a": [1]}, "identities": 3}),
        ({"format": "pt"}, {"format": "pt"}),
        (None, {}),
    ],
)
def test_metadata_of_earlier_versions_and_of_others(tmp_path, written, read):
    save_file(WEIGHTS, tmp_path / "old", written)
    assert read_metadata(tmp_path / "old") == read


def test_the_shipped_network_is_read():
    assert {"architecture", "provenance"} <= read_metadata(PROJECT / "resources/pifpaf/small.safetensors").keys()
