"""Batches on their way to a GPU: in which order streams wait, and when the next batch is asked for."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from reid.data.samples import TestBatch
from reid.data.transfer import on_device
from reid.embeddings.extract import embed_batches
from tests.embeddings import fabricate

GPU = torch.device("cuda", 0)


@pytest.fixture
def told() -> list[str]:
    """What has happened, in order."""
    return []


class Images:
    """A batch's images, which say where they go."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self.told = name, told

    def pin_memory(self) -> "Images":
        self.told.append(f"{self.name} pinned")
        return self

    def to(self, device: torch.device, non_blocking: bool = False) -> "Images":
        self.told.append(f"{self.name} to {device}, non_blocking {non_blocking}")
        return Images(f"{self.name} on the GPU", self.told)

    def record_stream(self, stream: SimpleNamespace) -> None:
        self.told.append(f"{self.name} used by {stream.name}")


def loaded(told: list[str], count: int):
    for number in range(count):
        told.append(f"{number} loaded")
        yield TestBatch(Images(str(number), told), None, None, [f"{number}.jpg"], None)


@pytest.fixture
def streams(monkeypatch, told):
    def stream(name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, wait_stream=lambda other: told.append(f"{name} waits for {other.name}"))

    @contextmanager
    def within(entered: SimpleNamespace):
        told.append(f"in {entered.name}")
        yield
        told.append(f"out of {entered.name}")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream("copies"))
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream("computing"))


def test_a_copy_runs_beside_the_work_on_the_batch_before_which_alone_waits_for_it(streams, told):
    for batch in on_device(loaded(told, 2), GPU, ("images", "confidences")):
        told.append(f"work on {batch.images.name} queued")

    def steps(number: int) -> list[str]:
        return [
            f"{number} loaded",
            "in copies",
            f"{number} pinned",
            f"{number} to cuda:0, non_blocking True",
            "out of copies",
            "computing waits for copies",
            f"{number} on the GPU used by computing",
            f"work on {number} on the GPU queued",
        ]

    assert told == steps(0) + steps(1)


def test_a_batch_is_embedded_before_the_one_before_it_is_awaited(monkeypatch, told):
    split = fabricate(0, 2)
    found = {name: torch.from_numpy(getattr(split, name)) for name in ("features", "visibility", "score", "attention")}

    def measured(network, images, confidences, settings) -> dict[str, torch.Tensor]:
        told.append(f"{int(images[0])} measured")
        return found

    def batches(count: int):
        for number in range(count):
            told.append(f"{number} loaded")
            yield TestBatch(torch.full((2,), number), torch.zeros(2), torch.zeros(2), [str(number)] * 2, None)

    monkeypatch.setattr("reid.embeddings.extract.measure", measured)
    for taken in embed_batches(None, batches(3), None, torch.device("cpu")):
        told.append(f"{taken.key[0]} taken")
    ahead = ["0 loaded", "0 measured", "1 loaded", "1 measured", "0 taken", "2 loaded", "2 measured", "1 taken"]
    assert told == [*ahead, "2 taken"]
