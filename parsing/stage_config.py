"""What each label stage is told: one class a stage, built by its rule and read by the stage.

Light: every dry run loads it. `reid.config.stages` is the same for the stages of `reid`.
"""

from typing import Self

from artefacts.config import Size, StageConfig
from parsing.config import Checkpoint, Extraction, Gate, Interpolation, LabelConfig, PartLabels, PifPafTraining, Scheme
from parsing.conversion.config import LabelsFrom, Parser, PartFiles


class TrainPifPafConfig(StageConfig):
    """How a PifPaf network of our own is trained, and the image size that it is trained for."""

    training: PifPafTraining
    size: Size

    @classmethod
    def of(cls, config: LabelConfig, pifpaf: str) -> Self:
        network = config.pifpaf[pifpaf]
        return cls(training=network.training, size=network.size)


class FieldsConfig(StageConfig):
    """Where images lie, and which network finds the maps, and how."""

    root: str
    pifpaf: Checkpoint
    extraction: Extraction

    @classmethod
    def of(cls, config: LabelConfig, dataset: str) -> Self:
        entry = config.datasets[dataset]
        network = Checkpoint.of(config.pifpaf[entry.pifpaf])
        return cls(root=entry.root, pifpaf=network, extraction=Extraction.of(config.labels))


class ConvertConfig(StageConfig):
    """Where images lie, and the labels that another program made of them."""

    root: str
    labels_from: LabelsFrom
    parser: Parser | None = None  # of part_png
    interpolation: Interpolation = "bilinear"  # of confidence_npy

    @classmethod
    def of(cls, config: LabelConfig, dataset: str) -> Self:
        entry = config.datasets[dataset]
        kind = entry.labels_from.kind
        parser = config.parsers[entry.labels_from.parser] if kind == "part_png" else None
        how = {"interpolation": config.labels.interpolation} if kind == "confidence_npy" else {}
        return cls(root=entry.root, labels_from=entry.labels_from, parser=parser, **how)


class LabelsConfig(StageConfig):
    """Which parts are labelled, and how maps become labels of them."""

    scheme: Scheme
    scheme_name: str
    labels: PartLabels

    @classmethod
    def of(cls, config: LabelConfig, scheme: str) -> Self:
        return cls(scheme=config.schemes[scheme], scheme_name=scheme, labels=PartLabels.of(config.labels))


class ConvertPartsConfig(LabelsConfig):
    """Which parts are labelled, and the human parser's images that show them."""

    labels_from: PartFiles
    parser: Parser

    @classmethod
    def of(cls, config: LabelConfig, dataset: str, scheme: str) -> Self:
        source = config.datasets[dataset].labels_from
        labels = LabelsConfig.of(config, scheme)
        return cls(**dict(labels), labels_from=source, parser=config.parsers[source.parser])


class GateConfig(StageConfig):
    """Acceptance thresholds of the labels of the dataset `name`."""

    name: str
    gate: Gate

    @classmethod
    def of(cls, config: LabelConfig, dataset: str) -> Self:
        return cls(name=dataset, gate=config.gate(dataset))


class QualityConfig(StageConfig):
    """Where the images of a contact sheet lie."""

    root: str

    @classmethod
    def of(cls, config: LabelConfig, dataset: str) -> Self:
        return cls(root=config.datasets[dataset].root)
