"""What `config.json` of a model pack holds: all that embedding images and comparing them depends on."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from artefacts.config import Count, Section, Share, Size
from artefacts.imagenet import IMAGENET_MEAN, IMAGENET_STD
from reid.config.report import Matching
from reid.config.root import BackboneConfig, Head
from reid.config.training import Visibility

FORMAT = 1
Rate = Literal["1e-2", "1e-3", "1e-4"]  # of false matches: the share of different people's pairs that are accepted


class Preprocessing(Section):
    """How pixels become the network's input: RGB, resized, scaled to 0..1, normalised."""

    size: Size
    interpolation: Literal["bilinear, antialiased"] = "bilinear, antialiased"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


class Calibration(Section):
    """How far apart is how likely the same person: measured on the query and gallery of the training dataset.

    `thresholds` are distances at false match rates; `distances` and `probabilities` are the knots of a falling function
    that is linear between them and constant outside, as if pairs of the same and of different people were equally
    frequent.
    """

    dataset: str
    thresholds: dict[Rate, float | None]
    distances: list[float]
    probabilities: list[Share]

    @model_validator(mode="after")
    def _falls(self) -> "Calibration":
        if len(self.distances) != len(self.probabilities) or not self.distances:
            raise ValueError("distances and probabilities must have the same length, one at least")
        if self.distances != sorted(self.distances) or self.probabilities != sorted(self.probabilities, reverse=True):
            raise ValueError("distances must rise and probabilities fall")
        return self


class Pack(Section):
    """A model pack's `config.json`."""

    format: Literal[1] = FORMAT
    name: str  # {dataset}/{model}
    seed: int
    preprocessing: Preprocessing
    backbone: BackboneConfig  # weights: null
    head: Head
    parts: Annotated[list[str], Field(min_length=1)]  # names of the K parts, in order
    use_bnneck_for: list[Literal["global", "foreground"]]
    visibility: Visibility
    matching: Matching
    calibration: Calibration | None = None
    channels: Count  # D, length of one embedding
    trained: dict  # dataset, recipe, seeds and metrics, for the model card
    provenance: dict

    def embeds_as(self, other: "Pack") -> bool:
        """Whether both make the same embeddings of an image: how they are compared and described may differ."""
        return self._embedding() == other._embedding()

    def _embedding(self) -> dict:
        described = {"name", "seed", "matching", "calibration", "trained", "provenance"}
        weights = self.provenance.get("inputs", {}).get("model", self.provenance)
        return self.model_dump(exclude=described) | {"weights": weights}

    @model_validator(mode="after")
    def _needs_no_labels(self) -> "Pack":
        if self.head.attention == "labels":
            raise ValueError("attention: labels needs part labels of every image, which a pack cannot make")
        if self.backbone.weights is not None:
            raise ValueError("backbone.weights must be null: the pack's own weights are used")
        return self
