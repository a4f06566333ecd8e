"""The network of a pack, and what its matching compares, as one module of tensors that exporters trace."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from reid.checkpoints.pack_format import Pack
from reid.config.report import PartThresholds
from reid.embeddings.extract import compared_features
from reid.embeddings.store import HOLISTIC
from reid.evaluation.matching import UNDIVIDED, compared_columns
from reid.export.preprocessing import resized_to
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID

Purpose = Literal["images", "tensors", "boxmot", "ultralytics"]


class Input(NamedTuple):
    """What a file takes: `pixels` 0..255 (else 0..1) and whether they are `normalised`, of `any_size`; and its outputs.

    RGB, channels first. What is not of any size has the network's.
    """

    pixels: bool
    normalised: bool
    any_size: bool
    outputs: tuple[str, ...]


class ByName(nn.Module):
    """What an nn.ModuleDict holds, under numbers: exporters write code in which `global` is no attribute's name."""

    def __init__(self, modules: "nn.ModuleDict | ByName") -> None:
        super().__init__()
        self.names, self.kept = list(modules), nn.ModuleList(modules.values())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> nn.Module:
        return self.kept[self.names.index(name)]

    def values(self) -> Iterator[nn.Module]:
        return iter(self.kept)

    def items(self) -> Iterator[tuple[str, nn.Module]]:
        return zip(self.names, self.kept, strict=True)


EVERYTHING = ("features", "visibility", "scores", "flat")
INPUTS: dict[Purpose, Input] = {
    "images": Input(pixels=True, normalised=False, any_size=True, outputs=EVERYTHING),
    "tensors": Input(pixels=False, normalised=True, any_size=False, outputs=EVERYTHING),
    "boxmot": Input(pixels=False, normalised=True, any_size=False, outputs=("flat",)),
    "ultralytics": Input(pixels=False, normalised=False, any_size=True, outputs=("flat",)),
}


class Graph(nn.Module):
    """Images to what is compared of them, by the matching of `pack`: P embeddings of D channels.

    `outputs` of its input, in order: features [N, P, D], visibility [N, P] bool, scores [N, P] (largest attention; 1
    for holistic ones), flat [N, P D] (as `reid.search.features.Features.flat`). Images are uint8 if they are pixels.
    """

    def __init__(self, network: BPBReID, pack: Pack, purpose: Purpose) -> None:
        super().__init__()
        self.network, self.pack, self.given = network.cpu().eval(), pack, INPUTS[purpose]
        network.necks, network.reductions = ByName(network.necks), ByName(network.reductions)
        self.columns = compared_columns(pack.matching.embeddings, [*HOLISTIC, *pack.parts])
        told = pack.preprocessing
        self.register_buffer("mean", torch.tensor(told.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(told.std).view(1, 3, 1, 1), persistent=False)

    def example(self, images: int = 2) -> Tensor:
        """Images that it takes."""
        size = tuple(side + 32 for side in self.pack.preprocessing.size) if self.given.any_size else None
        noise = torch.rand(images, 3, *(size or self.pack.preprocessing.size))
        return (noise * 255).byte() if self.given.pixels else noise

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        output = self.network(self.prepared(images))
        embeddings = compared_features(output, self.pack.use_bnneck_for)
        largest = output.attention[:, 1:].amax(dim=(2, 3))
        stripes = self.pack.head.attention == "stripes"  # which are always visible
        visible = torch.ones_like(largest) if stripes else visible_parts(output.attention, self.pack.visibility).float()
        scores = self._compared(largest)
        weights = self._weights(self._compared(visible), scores)
        sides = [embeddings[:, columns].flatten(1) for columns in self.columns.values()]
        unit = torch.stack([normalize(side, dim=1) for side in sides], dim=1) * weights[:, :, None]
        found = {"features": torch.stack(sides, dim=1), "visibility": weights > 0, "scores": scores}
        found["flat"] = normalize(unit.flatten(1), dim=1)
        return tuple(found[name] for name in self.given.outputs)

    def prepared(self, images: Tensor) -> Float[Tensor, "N 3 h w"]:
        """The network's input."""
        if self.given.normalised:
            return images
        if self.given.any_size:
            images = resized_to(images.float(), self.pack.preprocessing.size, rounded=self.given.pixels)
        if self.given.pixels:
            images = images / 255
        return (images - self.mean) / self.std

    def _compared(self, parts: Float[Tensor, "N K"]) -> Float[Tensor, "N P"]:
        """Values of the parts at the places of what is compared; 1 for what is of no single part."""
        whole = torch.ones_like(parts[:, :1])
        values = torch.cat([whole, whole, parts], dim=1)
        places = [0 if name in UNDIVIDED else columns[0] for name, columns in self.columns.items()]
        return values[:, places]

    def _weights(self, visible: Float[Tensor, "N P"], scores: Float[Tensor, "N P"]) -> Float[Tensor, "N P"]:
        """Visibility by the matching's rule, as `reid.evaluation.matching.visibility_weights`."""
        rule = self.pack.matching.visibility
        if rule is True or rule == "soft":
            return visible if rule is True else scores
        if isinstance(rule, PartThresholds):
            limits = [-1.0 if name in UNDIVIDED else rule.values[name] for name in self.columns]
            return (scores > torch.tensor(limits)).float()
        return torch.ones_like(visible)
