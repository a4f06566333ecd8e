"""Embeddings of images by a trained network."""

from collections.abc import Generator, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reid.config.root import ModelInUse
from reid.data.samples import TestBatch, normalised, to_float
from reid.data.transfer import on_device
from reid.embeddings.store import Split
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID, Output


def embed(network: BPBReID, batch: TestBatch, settings: ModelInUse, device: torch.device) -> Split:
    """What is compared of a batch: global, foreground and K part embeddings with visibility, score and attention."""
    (split,) = embed_batches(network, (one for one in [batch]), settings, device)
    return split


def embed_batches(
    network: BPBReID, batches: Generator[TestBatch], settings: ModelInUse, device: torch.device
) -> Iterator[Split]:
    """The same of each batch, in their order; a GPU computes the next one while the host takes the last."""
    before = None
    for batch in on_device(batches, device, ("images", "confidences")):
        after = _Arriving(batch, measure(network, batch.images, to_float(batch.confidences), settings))
        if before is not None:
            yield before.split()
        before = after
    if before is not None:
        yield before.split()


class _Arriving:
    """What was measured of a batch, on its way from the device to the host."""

    def __init__(self, batch: TestBatch, found: dict[str, Tensor]) -> None:
        self.batch, self.arrival = batch, None
        self.found = {name: values.to("cpu", non_blocking=True) for name, values in found.items()}
        if found["features"].is_cuda:
            self.arrival = torch.cuda.Event()
            self.arrival.record()

    def split(self) -> Split:
        """All of it, once it is there."""
        if self.arrival is not None:
            self.arrival.synchronize()
        batch, arrays = self.batch, {name: values.numpy() for name, values in self.found.items()}
        return Split(key=batch.keys, identity=batch.identities.numpy(), camera=batch.cameras.numpy(), **arrays)


@torch.inference_mode()
def measure(
    network: BPBReID,
    images: UInt8[Tensor, "N 3 H W"],
    confidences: Float[Tensor, "N K y x"] | None,
    settings: ModelInUse,
) -> dict[str, Tensor]:
    """The features, visibility, score and attention of images, as `Split` has them, on the images' device.

    Stripes (PCB) are always visible. The head computes in float32, also where the backbone's precision is bfloat16.
    """
    device = images.device
    pixels = normalised(images).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.embedding_precision == "bfloat16"):
        output = network(pixels, confidences)
    scores = output.attention[:, 1:].amax(dim=(2, 3))
    holistic = torch.ones(len(scores), 2, device=device)
    visible = visible_parts(output.attention, settings.visibility) | (settings.head.attention == "stripes")
    return {
        "features": compared_features(output, settings.use_bnneck_for).float(),
        "visibility": torch.cat([holistic.bool(), visible], dim=1),
        "score": torch.cat([holistic, scores], dim=1).float(),
        "attention": (output.attention * 255).round().to(torch.uint8),
    }


def compared_features(output: Output, use_bnneck_for: list[str]) -> Tensor:
    """Global, foreground and part embeddings [N, K + 2, C], those named `use_bnneck_for` taken behind their BNNeck."""
    holistic = [
        (output.necked if name in use_bnneck_for else output.embeddings)[name] for name in ("global", "foreground")
    ]
    return torch.cat([torch.stack(holistic, dim=1), output.embeddings["parts"]], dim=1)
