"""A training step and an embedding of every model on a fake GPU: no tensor stays behind, no shape depends on values."""

import json

import pytest
import torch
from torch._subclasses.fake_tensor import DynamicOutputShapeException

from reid.checkpoints.store import new_model
from reid.config.root import Config, ModelEntry
from reid.data.samples import TrainingBatch, normalised, to_float
from reid.embeddings.extract import measure
from reid.embeddings.inference import make_ready
from reid.losses.gilt import objective
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID
from reid.training.attention_targets import labels_on_cells
from reid.training.trainer import Trainer
from tests.fake_cuda import (
    BATCH,
    CUDA,
    IDENTITIES,
    PARTS,
    backward,
    fake_accelerator,
    fake_batch,
    fake_cuda,
    fake_model,
)

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning")  # torch's own
TINY = {"name": "resnet10t", "levels": [1, 2], "ibn": None, "non_local": False}


def from_scratch(entry: ModelEntry, backbone: dict | None = None, **training) -> ModelEntry:
    """The entry without weights, and with these changes of its backbone and its training."""
    plain = entry.model_dump(mode="json")
    plain["backbone"] |= {"weights": None, "sha256": None} | (backbone or {})
    plain["training"] |= training
    return ModelEntry.model_validate_json(json.dumps(plain))


def train_a_step(settings: ModelEntry) -> Trainer:
    with fake_accelerator(settings.training.precision) as accelerator, fake_cuda() as mode:
        trainer = Trainer(fake_model(settings, mode), settings, accelerator)
        terms, _ = trainer._terms(fake_batch(settings))
        assert {term.device for term in terms.values()} == {CUDA}
        backward(terms["loss"])
    return trainer


def embed_a_batch(settings: ModelEntry) -> None:
    with fake_cuda() as mode:
        network = make_ready(fake_model(settings, mode), settings, CUDA)
        batch = fake_batch(settings)
        found = measure(network, batch.images.to(CUDA), to_float(batch.confidences, CUDA), settings)
        assert {name: values.device for name, values in found.items()} == dict.fromkeys(found, CUDA)
        assert found["features"].shape == (BATCH, PARTS + 2, found["features"].shape[-1])


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


def test_a_step_in_bfloat16_with_averaged_weights(config):
    settings = from_scratch(config.model("small"), TINY, precision="bfloat16", average_decay=0.9)
    trainer = train_a_step(settings)
    learnt = [value for value in trainer.model.parameters() if value.requires_grad]
    assert len(learnt) == sum(value.grad is not None for value in learnt) > 20
    assert {value.device for value in trainer.averaged.parameters()} == {CUDA}


@pytest.mark.parametrize("name", ["small_visibility_training", "pcb_small", "small_fixed_attention"])
def test_what_needs_more_than_the_plain_head(config, name):
    settings = from_scratch(config.model(name), TINY)
    train_a_step(settings)
    embed_a_batch(settings)


@pytest.mark.slow
def test_every_model_trains_in_bfloat16_and_embeds(config):
    models = distinct(config)
    assert 30 < len(models) < len(config.models)
    for name, settings in models.items():
        try:
            train_a_step(from_scratch(settings, precision="bfloat16", average_decay=0.9))
            embed_a_batch(settings)
        except Exception as error:
            error.add_note(f"models.{name}")
            raise


def terms_of(network: BPBReID, settings: ModelEntry, batch: TrainingBatch) -> dict[str, torch.Tensor]:
    output = network(normalised(batch.images), to_float(batch.confidences, batch.images.device))
    labels = None if batch.labels is None else labels_on_cells(batch.labels, output.attention.shape[-2:])
    rule = settings.loss.triplet_visibility
    visible = visible_parts(output.attention, rule) if rule else None
    scores = output.identity_scores, output.attention_scores
    return objective(output.embeddings, *scores, labels, batch.identities, settings.loss, visible)


@pytest.mark.slow
def test_no_model_breaks_the_graph_of_torch_compile(config):
    for name, settings in distinct(config).items():
        settings = settings.model_copy(update={"size": (64, 64)})  # the shapes are others, the graph is the same
        network, batch = new_model(settings, PARTS, IDENTITIES), fake_batch(settings)
        torch._dynamo.reset()
        found = torch._dynamo.explain(terms_of)(network, settings, batch)
        assert (found.graph_count, found.graph_break_count) == (1, 0), (name, found.break_reasons)


def test_what_makes_the_host_wait_is_an_error():
    with fake_cuda():
        values = torch.ones(3, device=CUDA)
        with pytest.raises(DynamicOutputShapeException):
            values[values > 0]
        with pytest.raises(RuntimeError, match="found at least two devices"):
            values + torch.ones(3)
