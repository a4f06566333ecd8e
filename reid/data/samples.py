"""Samples: images as uint8 batches, and for training their label maps, augmented jointly.

Images travel as uint8 in channels-last order and become floats once a batch (`normalised`), on the device that needs
them. A training sample's random numbers depend on (seed, epoch, position) alone, so batches are the same whatever the
number of workers. An occluder comes from the batch, or the share of it that one of several processes has.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from artefacts.imagenet import IMAGENET_MEAN, IMAGENET_STD
from artefacts.manifest import ImageRow
from artefacts.progress import track
from artefacts.shared_memory import zeros
from reid.config.root import Augmentation
from reid.data.augmentation import (
    AS_IT_IS,
    AugmentParams,
    Cells,
    apply_to_confidences,
    apply_to_image,
    apply_to_labels,
    sample_augmentation,
    source_cells,
)
from reid.data.combination import Labels
from reid.data.images import load_image
from reid.data.occlusion import AugmentedSamples, occlude
from reid.data.sampler import Address


class TrainingBatch(NamedTuple):
    """B samples. `identities` are numbers 0..I-1 in the order of the dataset's identities; the others are as listed."""

    images: UInt8[Tensor, "B 3 H W"]  # channels last in memory; see `normalised`
    labels: UInt8[Tensor, "B H/4 W/4"] | None  # 0 background, 1..K parts, 255 unknown; None: the model asks for none
    identities: Int64[Tensor, " B"]
    cameras: Int64[Tensor, " B"]
    keys: list[str]
    confidences: UInt8[Tensor, "B K H/4 W/4"] | None  # 255 x each part's confidence, where asked for


class TestBatch(NamedTuple):
    """B images of query or gallery, in the manifest's order."""

    __test__ = False  # for pytest, which collects classes named so

    images: UInt8[Tensor, "B 3 H W"]
    identities: Int64[Tensor, " B"]  # as in the manifest; 0 = distractor
    cameras: Int64[Tensor, " B"]
    keys: list[str]
    confidences: UInt8[Tensor, "B K H/4 W/4"] | None = None  # as of training samples


def to_float(confidences: UInt8[Tensor, "B K h w"] | None) -> Float[Tensor, "B K h w"] | None:
    """A batch's confidences, 0..1, on the same device; None where it has none."""
    return None if confidences is None else confidences.float() / 255


def normalised(images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Images in float32 with ImageNet's mean and deviation taken out, on the same device, still channels last."""
    count, _, height, width = images.shape
    mean, deviation = (_filled(values, images.device).repeat(width) for values in (IMAGENET_MEAN, IMAGENET_STD))
    lines = images.permute(0, 2, 3, 1).reshape(count, height, width * 3).float()  # long rows are fast, pixels are not
    lines.sub_(255 * mean).div_(255 * deviation)
    return lines.view(count, height, width, 3).permute(0, 3, 1, 2)


def _filled(values: tuple[float, ...], device: torch.device) -> Float[Tensor, " C"]:
    """A tensor of these values, made on `device`: `torch.tensor` would have the host wait for its copy."""
    return torch.stack([torch.full((), value, device=device) for value in values])


class TrainingSamples(Dataset):
    """Augmented training samples, read a batch at a time by their addresses (epoch, position, image).

    Without a file of `labels` they have none.
    """

    def __init__(
        self, root: Path, rows: Sequence[ImageRow], labels: Labels | None, size: tuple[int, int],
        augmentation: Augmentation, seed: int, with_confidences: bool = False,
    ) -> None:  # fmt: skip
        self.root, self.rows, self.labels, self.size = Path(root), list(rows), labels, size
        self.augmentation, self.seed, self.with_confidences = augmentation, seed, with_confidences
        identities = sorted({row.identity for row in self.rows})
        self.number_of = {identity: number for number, identity in enumerate(identities)}
        listed = track(self.rows, "reading labels", "image") if labels is not None else []
        self.label_maps = [labels.label_map(row.key) for row in listed]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, address: Address) -> TrainingBatch:
        return self.__getitems__([address])

    def __getitems__(self, addresses: list[Address]) -> TrainingBatch:
        """The batch at these addresses. Raises UserError for an image that cannot be read or has no labels."""
        rows = [self.rows[image] for _, _, image in addresses]
        rngs = [self._generator(epoch, position) for epoch, position, _ in addresses]
        placements = [sample_augmentation(self.size, self.augmentation, rng) for rng in rngs]
        augmented = self._augmented(addresses, placements)
        if self.augmentation.occlusion:
            flipped, identities = [placement.flipped for placement in placements], [row.identity for row in rows]
            occlude(augmented, identities, flipped, self.augmentation.occlusion, rngs)
        return TrainingBatch(
            images=_channels_first(augmented.images),
            labels=None if augmented.labels is None else torch.from_numpy(augmented.labels),
            identities=torch.tensor([self.number_of[row.identity] for row in rows]),
            cameras=torch.tensor([row.camera for row in rows]),
            keys=[row.key for row in rows],
            confidences=None if augmented.confidences is None else torch.from_numpy(augmented.confidences),
        )

    def _augmented(self, addresses: list[Address], placements: list[AugmentParams]) -> AugmentedSamples:
        images = zeros((len(addresses), *self.size, 3))
        labels, confidences = [], []
        for out, (_, _, image), placement in zip(images, addresses, placements, strict=True):
            row = self.rows[image]
            apply_to_image(load_image(self.root, row, self.size), placement, out)
            if self.labels is not None:
                cells = source_cells(self.size, self.label_maps[image].shape, placement)
                labels.append(apply_to_labels(self.label_maps[image], cells, placement.flipped, self.labels.mirrored))
                if self.with_confidences:
                    confidences.append(self._confidences(row.key, cells, placement))
        return AugmentedSamples(
            images, np.stack(labels) if labels else None, np.stack(confidences) if confidences else None
        )

    def _generator(self, epoch: int, position: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, position])

    def _confidences(self, key: str, cells: Cells, placement: AugmentParams) -> np.ndarray:
        return apply_to_confidences(self.labels.confidences(key), cells, placement.flipped, self.labels.mirrored)


class TestSamples(Dataset):
    """Images of query or gallery, resized and nothing else, read a batch at a time by their numbers.

    With a file of `labels`, the confidences of their parts come along, on the grid that training samples have.
    """

    __test__ = False

    def __init__(
        self, root: Path, rows: Sequence[ImageRow], size: tuple[int, int], labels: Labels | None = None
    ) -> None:
        self.root, self.rows, self.size, self.labels = Path(root), list(rows), size, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> TestBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> TestBatch:
        """The batch of these rows. Raises UserError for an image that cannot be read or, if asked, has no labels."""
        rows = [self.rows[index] for index in indices]
        images = zeros((len(rows), *self.size, 3))
        for out, row in zip(images, rows, strict=True):
            out[:] = load_image(self.root, row, self.size)
        confidences = np.stack([self._confidences(row.key) for row in rows]) if self.labels is not None else None
        return TestBatch(
            images=_channels_first(images),
            identities=torch.tensor([row.identity for row in rows]),
            cameras=torch.tensor([row.camera for row in rows]),
            keys=[row.key for row in rows],
            confidences=None if confidences is None else torch.from_numpy(confidences),
        )

    def _confidences(self, key: str) -> np.ndarray:
        confidences = self.labels.confidences(key)
        cells = source_cells(self.size, confidences.shape[1:], AS_IT_IS)
        return apply_to_confidences(confidences, cells, False, self.labels.mirrored)


def _channels_first(images: np.ndarray) -> UInt8[Tensor, "B 3 H W"]:
    return torch.from_numpy(images).permute(0, 3, 1, 2)
