"""The configuration that labels are made by: names, types and bounds of its keys, whose values are in `config.yaml`.

`reid.config.root.Config` is this and the rest. What each label stage reads of it is in `parsing.stage_config`.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from artefacts.config import EMBEDDINGS, Count, Name, Positive, Section, Share, Size
from artefacts.errors import first_problem
from parsing.conversion.config import LabelsFrom, Parser


class Scheme(Section):
    """Which of PifPaf's 36 maps make up each body part, in the order of the part numbers 1 to K."""

    parts: dict[str, list[Annotated[int, Field(ge=0, le=35)]]]
    mirrored: list[tuple[str, str]] = []  # left and right parts, exchanged when an image is flipped

    @model_validator(mode="after")
    def _parts_are_usable(self) -> "Scheme":
        if not self.parts:
            raise ValueError("a scheme needs at least one part")
        empty = [name for name, channels in self.parts.items() if not channels]
        if empty:
            raise ValueError(f"part {empty[0]!r} has no channel")
        for name in ("background", *EMBEDDINGS):
            if name in self.parts:
                raise ValueError(f"part {name!r}: this name means something else; rename the part")
        unknown = [name for pair in self.mirrored for name in pair if name not in self.parts]
        if unknown:
            raise ValueError(f"mirrored part {unknown[0]!r} is not one of {list(self.parts)}")
        paired = [name for pair in self.mirrored for name in pair]
        if len(set(paired)) < len(paired):
            raise ValueError(f"mirrored {[list(pair) for pair in self.mirrored]}: a part stands in two places")
        return self


class PifPafArchitecture(Section):
    """A ShuffleNetV2K of our own: blocks and channels of its stages, upsampling of its heads."""

    repeats: tuple[Count, Count, Count]
    channels: tuple[Count, Count, Count, Count, Count]
    upsample: Count


class PifPafTraining(Section):
    """How a PifPaf network of our own is trained (rule train_pifpaf)."""

    architecture: PifPafArchitecture
    seed: int
    steps: Count
    batch_size: Count
    learning_rate: Positive
    warmup_steps: Count
    weight_decay: Annotated[float, Field(ge=0)]
    average_decay: Share  # of the exponential moving average of the weights, per step
    gradient_clip: Positive  # largest norm


class Checkpoint(Section):
    """A PifPaf checkpoint and the image size that it is used at (stage fields)."""

    weights: str  # path of a .safetensors file of ours or of a released .pkl
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")] | None = None  # the digest, or its first digits
    size: Size  # images are resized to this before they enter the network


class PifPaf(Checkpoint):
    """A PifPaf network, which may be one that the workflow trains."""

    training: PifPafTraining | None = None  # of a network that the workflow can train itself
    train_on: str | None = None  # dataset entry with ground truth on which it is trained
    validate_on: str | None = None  # dataset entry on which its quality is reported


Limit = Literal["labelled", "visible_parts", "unreadable", "too_small", "ambiguous"]  # of `labels.gate`
Interpolation = Literal["bilinear", "nearest"]
TargetPolicy = Literal["head", "central", "largest", "score"]


class PartLabels(Section):
    """How confidences become part labels (stage labels)."""

    kind: Literal["plain", "gated", "limbs"]  # the maps; the maps near the target's skeleton; limbs rasterised along it
    target: TargetPolicy  # which of several people is the target (parsing.labels.target)
    interpolation: Interpolation = "bilinear"  # of the maps at the label cells; nearest = as released
    threshold: Share  # background where no part's confidence reaches this (official: 0.5)
    unreadable: Literal["fail", "leave_out"]  # what to do about images that cannot be read


Precision = Literal["float32", "bfloat16"]


class MaskNetwork(Section):
    """torchvision's Mask R-CNN, which tells what each person covers of an image (stage fields)."""

    weights: str  # path of a state dict of maskrcnn_resnet50_fpn
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")]  # the digest, or its first digits
    short_side: Count  # pixels to which images are enlarged for it


class Gate(Section):
    """Acceptance thresholds of labels (stage gate). Null = whatever it is."""

    labelled: Share | None  # least share of images in which some part was found
    visible_parts: Annotated[float, Field(ge=0)] | None  # least mean number of parts found in an image
    unreadable: Share | None  # largest share of images that could not be read
    too_small: Share | None  # largest share of images with a side too short to show body parts
    ambiguous: (
        Share | None
    )  # largest share of images in which another person fits nearly as well (parsing.labels.target)


class Extraction(Section):
    """How PifPaf's maps are computed (stage fields)."""

    silhouettes: MaskNetwork | None = None  # leave out what lies outside of the target's silhouette; null = do not
    batch_size: Count  # images
    precision: Precision  # of the convolutions


class Labels(PartLabels, Extraction):
    """How labels are made, in what portions, and their acceptance thresholds."""

    gate: Gate
    shards: Count  # independent jobs a dataset


class ImageRoot(Section):
    """Where a dataset's images lie."""

    root: str  # folder, relative to where snakemake runs


class LabelledDataset(ImageRoot):
    """A dataset, as the label stages see it."""

    scheme: Name  # entry of `schemes`
    pifpaf: Name | None = None  # entry of `pifpaf`, which labels it; null: `labels_from`
    labels_from: LabelsFrom | None = None  # labels that another program made; null: `pifpaf`
    gate: dict[Limit, float | None] = {}  # over labels.gate
    target_overrides: str | None = None  # CSV of targets that a person named: key, x, y in pixels

    @model_validator(mode="after")
    def _labels_have_one_source(self) -> "LabelledDataset":
        if (self.pifpaf is None) == (self.labels_from is None):
            raise ValueError("name either a pifpaf entry or labels_from, and not both")
        return self


class LabelConfig(Section):
    """All that labels are made by."""

    schemes: dict[Name, Scheme]
    pifpaf: dict[Name, PifPaf]
    parsers: dict[Name, Parser] = {}
    labels: Labels
    datasets: dict[Name, LabelledDataset]

    def gate(self, dataset: str) -> Gate:
        """The limits for the labels of a dataset: its own laid over those of `labels`."""
        limits = self.labels.gate.model_dump() | self.datasets[dataset].gate
        try:
            return Gate.model_validate(limits)
        except ValidationError as error:
            raise ValueError(f"datasets.{dataset}.gate: {first_problem(error)}") from None
