"""A training step and an embedding of every model on a fake GPU: no tensor stays behind, no shape depends on values."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch._subclasses.fake_tensor import DynamicOutputShapeException, unset_fake_temporarily

from reid.checkpoints.store import new_model
from reid.config.root import Config, ModelEntry
from reid.data.samples import TestBatch, TrainingBatch
from reid.data.transfer import on_device
from reid.embeddings.extract import embed_batches
from reid.embeddings.inference import make_ready
from reid.training.loop import READ_BY_A_STEP, train
from reid.training.trainer import Trainer
from tests.fake_cuda import (
    BATCH,
    CUDA,
    IDENTITIES,
    PARTS,
    Waits,
    fake_accelerator,
    fake_batch,
    fake_cuda,
    fake_model,
)

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning")  # torch's own
TINY = {"name": "resnet10t", "levels": [1, 2], "ibn": None, "non_local": False}


VIT = {"name": "vit_tiny_patch16_224", "levels": [-1], "ibn": None, "non_local": False, "last_stride": None}
PART_LAYERS = {"reduction": 16, "part_reduction": "separate", "part_dropout": 0.3}
KEYS = {  # that no entry of `models` has: changes of the backbone, of the head, and of the training
    "layers of parts": (TINY, PART_LAYERS, {"optimizer": "adamw", "schedule": "cosine"}),
    "stem": (VIT | {"stem": "ics"}, {}, {}),
    "overlapping patches": (VIT | {"patch_stride": 12}, {}, {}),
    "checkpointing": (TINY, {}, {"checkpointing": True}),
    "float32": (TINY, {}, {"precision": "float32"}),
    "float16": (TINY, {}, {"precision": "float16"}),
}


def from_scratch(
    entry: ModelEntry, backbone: dict | None = None, head: dict | None = None, **training: object
) -> ModelEntry:
    """The entry without weights, and with these changes of its backbone, its head and its training."""
    plain = entry.model_dump(mode="json")
    plain["backbone"] |= {"weights": None, "sha256": None} | (backbone or {})
    plain["head"] |= head or {}
    plain["training"] |= training
    return ModelEntry.model_validate_json(json.dumps(plain))


@contextmanager
def training(settings: ModelEntry) -> Iterator[tuple[Trainer, Waits]]:
    with fake_accelerator(settings.training.precision) as accelerator, fake_cuda() as waits:
        yield Trainer(fake_model(settings, waits.mode), settings, accelerator), waits


def train_a_step(settings: ModelEntry) -> Trainer:
    with training(settings) as (trainer, waits):
        (batch,) = on_device(batches(settings, 1), CUDA, READ_BY_A_STEP)
        before = waits.number
        trainer.step(batch, 1)
        assert waits.number == before
        trainer.read()
        assert waits.number == before + 1
    return trainer


def batches(settings: ModelEntry, count: int) -> Generator[TrainingBatch]:
    return (fake_batch(settings) for _ in range(count))


def embed_batches_of(settings: ModelEntry) -> None:
    with fake_cuda() as waits:
        network = make_ready(fake_model(settings, waits.mode), settings, CUDA)
        before = waits.number
        splits = list(embed_batches(network, searched_batches(settings, 3), settings, CUDA))
        assert waits.number == before + 3
    assert [split.features.shape[:2] for split in splits] == [(BATCH, PARTS + 2)] * 3


def searched_batches(settings: ModelEntry, count: int) -> Generator[TestBatch]:
    for batch in batches(settings, count):
        with unset_fake_temporarily():
            numbers = torch.zeros(BATCH)
        yield TestBatch(batch.images, numbers, numbers, batch.keys, batch.confidences)


def distinct(config: Config) -> dict[str, ModelEntry]:
    """The entries of `models` that compute differently, by the first name that each has.

    Each backbone is there once; the heads and losses of the others are on a tiny one.
    """
    first, backbones = {}, set()
    for name in config.models:
        settings = from_scratch(config.model(name))
        differs = settings.model_dump_json(exclude={"recipe", "augmentation", "scheme", "matching", "extra_matchings"})
        if differs not in first:
            backbone = settings.backbone.model_dump_json()
            tiny = TINY | {"last_stride": None} if backbone in backbones else None
            first[differs] = name, from_scratch(settings, tiny)
            backbones.add(backbone)
    return dict(first.values())


def test_an_epoch_in_bfloat16_waits_once_an_interval(config, monkeypatch):
    settings = from_scratch(config.model("small"), TINY, epochs=1, precision="bfloat16", average_decay=0.9)
    monkeypatch.setattr(Trainer, "weights", lambda _: {})
    loader = SimpleNamespace(length=lambda _: 5, epoch=lambda *_: batches(settings, 5))
    state = SimpleNamespace(load=lambda: None, save=lambda _: None)
    told, waited = [], []
    with training(settings) as (trainer, waits):
        clock = SimpleNamespace(monotonic=lambda: trainer.batch / 2)  # two steps a second
        monkeypatch.setattr("reid.training.loop.time", clock)
        before = waits.number
        trained = train(trainer, loader, state, "", told.append, lambda: waited.append(waits.number - before))
    assert waited == [0, 1, 1, 2, 2]
    assert waits.number - before == 3  # with the epoch's end
    assert len(told) == 5
    assert trained.history[0]["loss"] == 1
    learnt = [value for value in trainer.model.parameters() if value.requires_grad]
    assert len(learnt) == sum(value.grad is not None for value in learnt) > 20
    assert {value.device for value in trainer.averaged.module.parameters()} == {CUDA}


@pytest.mark.parametrize("name", ["small_visibility_training", "pcb_small", "small_fixed_attention"])
def test_what_needs_more_than_the_plain_head(config, name):
    settings = from_scratch(config.model(name), TINY)
    train_a_step(settings)
    embed_batches_of(settings)


@pytest.mark.slow
def test_every_model_trains_in_bfloat16_and_embeds(config):
    models = distinct(config)
    assert 30 < len(models) < len(config.models)
    for name, settings in models.items():
        try:
            train_a_step(from_scratch(settings, precision="bfloat16", average_decay=0.9))
            embed_batches_of(settings)
        except Exception as error:
            error.add_note(f"models.{name}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("keys", KEYS)
def test_what_no_entry_has_trains_and_embeds_too(config, keys):
    backbone, head, training = KEYS[keys]
    settings = from_scratch(config.model("small"), backbone, head, **training)
    train_a_step(settings)
    embed_batches_of(settings)


def assert_one_graph(settings: ModelEntry, name: str) -> None:
    """All that the trainer computes of a batch, from images to losses and measures, is one graph of torch.compile."""
    settings = from_scratch(settings, precision="float32", compile=False)
    settings = settings.model_copy(update={"size": (64, 64)})  # the shapes are others, the graph is the same
    AcceleratorState._reset_state(reset_partial_state=True)
    trainer = Trainer(new_model(settings, PARTS, IDENTITIES), settings, Accelerator(cpu=True))
    torch._dynamo.reset()
    found = torch._dynamo.explain(trainer._terms)(fake_batch(settings))
    assert (found.graph_count, found.graph_break_count) == (1, 0), (name, found.break_reasons)


@pytest.mark.slow
def test_no_model_breaks_the_graph_of_torch_compile(config):
    keys = {name: from_scratch(config.model("small"), *KEYS[name][:2]) for name in ("layers of parts", "stem")}
    for name, settings in (distinct(config) | keys).items():
        assert_one_graph(settings, name)


@pytest.mark.slow
def test_a_small_model_breaks_no_graph(config):
    """Of the test above, what .ci/run has time for."""
    assert_one_graph(from_scratch(config.model("small"), TINY, PART_LAYERS), "small")


def test_what_makes_the_host_wait_is_seen():
    with fake_cuda() as waits:
        values = torch.ones(3, device=CUDA)
        with pytest.raises(DynamicOutputShapeException):
            values[values > 0]
        with pytest.raises(RuntimeError, match="found at least two devices"):
            values + torch.ones(3)
        for wait in (
            lambda: values.sum().item(),
            lambda: bool(values[0] > 0),
            lambda: values.cpu(),
            lambda: torch.ones(3).copy_(values),
            lambda: torch.ones(3).to(CUDA),
            lambda: torch.ones(3).to(CUDA, non_blocking=True),  # from memory that is not pinned
            lambda: torch.tensor([1.0], device=CUDA),
        ):
            before = waits.number
            wait()
            assert waits.number == before + 1
        torch.ones(3).pin_memory().to(CUDA, non_blocking=True)
        assert waits.number == before + 1
