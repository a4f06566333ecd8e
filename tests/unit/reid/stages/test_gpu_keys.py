"""The keys that say how a GPU computes convolutions reach torch, in training and in embedding."""

import pytest
import torch
from accelerate.state import AcceleratorState

from artefacts.processor import choose_convolutions
from tests.people import stage
from tests.unit.reid.training.test_training import options, tiny


class Chosen(Exception):
    """Ends a stage once it has told torch."""


@pytest.fixture(autouse=True)
def ended_early(monkeypatch):
    def choose(tf32: bool, benchmark: bool) -> None:
        choose_convolutions(tf32, benchmark)
        raise Chosen

    AcceleratorState._reset_state(reset_partial_state=True)  # it keeps its first precision
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    for name in ("train", "embed"):
        monkeypatch.setattr(f"reid.stages.{name}.choose_convolutions", choose)
    yield
    choose_convolutions(*before)


@pytest.mark.parametrize("benchmark", [True, False])
@pytest.mark.parametrize(("precision", "tf32"), [("tf32", True), ("float32", False), ("bfloat16", False)])
def test_precision_and_benchmark_are_torch_s(people, config, tmp_path, precision, tf32, benchmark):
    entry = tiny(config)
    entry["training"] |= {"precision": precision, "cudnn_benchmark": benchmark}
    with pytest.raises(Chosen):
        stage("train", **options(people, entry, tmp_path))
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (tf32, benchmark)
    choose_convolutions(not tf32, not benchmark)
    entry |= {"embedding_precision": precision, "visibility": {"rule": "argmax", "threshold": 0.4}}
    asked = {"model": entry, "root": str(people.root)}
    with pytest.raises(Chosen):
        stage("embed", config=asked, manifest=people.manifest, model=tmp_path / "m", embeddings=tmp_path / "e")
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (tf32, benchmark)
