"""What the stages do with a batch that is loaded, and the plain eager way to do it, on a device: `Way`s to measure."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from benchmarks import evaluation, extraction, labelling
from benchmarks.on_device.figures import Way
from benchmarks.training import IDENTITIES, PARTS, Usual
from parsing.pifpaf import network as pifpaf
from parsing.pifpaf.checkpoints import load_network
from parsing.pifpaf.extraction import without_noise
from parsing.pifpaf.inference import make_ready as ready_to_label
from reid.checkpoints.store import new_model
from reid.config.root import Model, ModelInUse
from reid.data.samples import TestBatch, TrainingBatch, normalised
from reid.data.transfer import on_device
from reid.embeddings.extract import embed_batches
from reid.embeddings.inference import make_ready as ready_to_embed
from reid.embeddings.store import reading
from reid.evaluation.retrieval import retrieve
from reid.evaluation.tiles import Compute
from reid.losses.gilt import objective
from reid.stages.train import MIXED
from reid.training.attention_targets import labels_on_cells
from reid.training.loop import READ_BY_A_STEP
from reid.training.trainer import Trainer

STEPS_AN_EPOCH = 1000
SAME = 1e-4  # mAP of both ways


def label(precision: str, images: int, device: torch.device) -> Way:
    """Stage fields up to the decoder."""
    return _labelling(ready_to_label(_pifpaf_network(), precision, device), images, device, False)


def label_plainly(precision: str, images: int, device: torch.device) -> Way:
    """The same network as openpifpaf builds it."""
    return _labelling(_pifpaf_network().to(device), images, device, precision == "bfloat16")


def _pifpaf_network() -> nn.Module:
    with tempfile.TemporaryDirectory() as folder:
        _, checkpoint = labelling.save_quiet_network(Path(folder))
        return load_network(checkpoint)


def _labelling(network: nn.Module, images: int, device: torch.device, autocast: bool) -> Way:
    shape = images, *labelling.SIZE, 3
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def way(steps: int) -> None:
        for _ in range(steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
                cif, caf = pifpaf.fields(network, pixels.to(device).permute(0, 3, 1, 2))
            maps = without_noise(pifpaf.confidences(cif, caf) * 255).round().byte()
            for found in (maps, cif, caf):
                found.cpu()

    return way


def training_batch(settings: Model) -> TrainingBatch:
    """Random images of identities with as many images each as the model asks for, on the host."""
    training, (height, width) = settings.training, settings.size
    images, draw = training.batch_size, torch.Generator().manual_seed(0)
    identities = torch.arange(images) // training.images_per_id
    labels = torch.randint(0, PARTS + 1, (images, height // 4, width // 4), dtype=torch.uint8, generator=draw)
    return TrainingBatch(
        images=_random_images(images, settings.size),
        labels=labels if settings.loss.attention_weight else None,
        identities=identities,
        cameras=torch.zeros_like(identities),
        keys=[f"{number}.jpg" for number in range(images)],
        confidences=None,
    )


def _random_images(count: int, size: tuple[int, int]) -> Tensor:
    return extraction.images(size, count).images.contiguous(memory_format=torch.channels_last)


def train(settings: Model, device: torch.device) -> Way:
    """Stage train from loaded batches on; what steps measured is read once at the end."""
    AcceleratorState._reset_state(reset_partial_state=True)  # within a process it keeps its first precision
    torch.compiler.reset()
    accelerator = Accelerator(
        mixed_precision=MIXED[settings.training.precision],
        cpu=device.type == "cpu",
        dynamo_backend="inductor" if settings.training.compile else "no",
    )
    torch.manual_seed(0)
    trainer = Trainer(new_model(settings, PARTS, IDENTITIES), settings, accelerator)
    batch = training_batch(settings)

    def way(steps: int) -> None:
        for one in on_device((batch for _ in range(steps)), accelerator.device, READ_BY_A_STEP):
            trainer.step(one, STEPS_AN_EPOCH)
        trainer.read()

    return way


def train_plainly(settings: Model, device: torch.device) -> Way:
    """The plain way: every step copies its batch, and waits for its loss."""
    torch.manual_seed(0)
    network, batch = new_model(settings, PARTS, IDENTITIES).to(device).train(), training_batch(settings)
    network.__class__ = Usual
    rates = {"lr": settings.training.warmup_start_lr, "weight_decay": settings.training.weight_decay}
    optimiser = torch.optim.Adam(network.parameters(), **rates)

    def step() -> float:
        images = normalised(batch.images.to(device)).contiguous()
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.training.precision == "bfloat16"):
            output = network(images)
            labels = None if batch.labels is None else batch.labels.to(device)
            labels = None if labels is None else labels_on_cells(labels, output.attention.shape[-2:])
            loss = objective(
                output.embeddings, output.identity_scores, output.attention_scores, labels,
                batch.identities.to(device), settings.loss,
            )["loss"]  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return lambda steps: [step() for _ in range(steps)]


def embed(settings: ModelInUse, images: int, device: torch.device) -> Way:
    """Stage embed from loaded batches on."""
    network, batch = ready_to_embed(extraction.pretended(settings), settings, device), loaded_batch(settings, images)
    return lambda steps: list(embed_batches(network, (batch for _ in range(steps)), settings, device))


def embed_plainly(settings: ModelInUse, images: int, device: torch.device) -> Way:
    """The plain way of benchmarks/extraction.py."""
    embed_batch = extraction.plain(extraction.pretended(settings), settings, device)
    batch, autocast = loaded_batch(settings, images), settings.embedding_precision == "bfloat16"

    def way(steps: int) -> list:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            return [embed_batch(batch) for _ in range(steps)]

    return way


def loaded_batch(settings: ModelInUse, images: int) -> TestBatch:
    """Random images on the host."""
    return extraction.images(settings.size, images)._replace(images=_random_images(images, settings.size))


def search(path: Path, device: torch.device) -> Way:
    """Stage evaluate: mAP of the file of embeddings, on all of torch's threads."""
    compute = Compute(torch.get_num_threads(), device.type)

    def way(steps: int) -> list[float]:
        with reading(path) as file:
            return [retrieve(file, evaluation.DEFAULT, compute=compute).measures.summary()["mAP"] for _ in range(steps)]

    return way


def search_plainly(path: Path, device: torch.device) -> Way:
    """The straightforward way of benchmarks/evaluation.py, with its distances on the device.

    Raises AssertionError unless it comes to the mAP of ours.
    """
    (expected,) = search(path, device)(1)

    def way(steps: int) -> None:
        for _ in range(steps):
            found = evaluation.straightforward(path, device.type)[0]
            assert np.isclose(found, expected, rtol=0, atol=SAME), (found, expected)

    return way
