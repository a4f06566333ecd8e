"""The images that a training reads: the training half of a dataset, or of several that it combines.

In a combination, identities and cameras of each dataset are kept apart by new numbers, and an image's key is its path
from where the workflow runs. Images and labels stay where they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from artefacts.errors import UserError
from artefacts.manifest import ImageRow
from parsing.store import LabelFile


class TrainingHalf(NamedTuple):
    """The training half of one dataset: its images below `root`, and their labels, if the model learns from any."""

    name: str
    root: Path
    rows: list[ImageRow]
    labels: LabelFile | None


class CombinedLabels:
    """The label files of several datasets, read as one by the keys of the combination; the maps are each file's own."""

    def __init__(self, members: Sequence[TrainingHalf]) -> None:
        """Raises UserError if the files do not have the same parts."""
        first, *others = [member.labels for member in members]
        for other in others:
            if (other.part_names, other.mirrored) != (first.part_names, first.mirrored):
                raise UserError(
                    f"{other.path}: has the parts {', '.join(other.part_names)}, but {first.path} has "
                    f"{', '.join(first.part_names)}; give both datasets the same scheme"
                )
        self.path, self.part_names, self.mirrored = first.path, first.part_names, first.mirrored
        self._place = {
            key_of(member.root, row): (member.labels, row.key)
            for member in members
            for row in member.rows
            if row.key in member.labels
        }

    def __contains__(self, key: str) -> bool:
        return key in self._place

    def label_map(self, key: str) -> np.ndarray:
        """As of `LabelFile`."""
        labels, own = self._place[key]
        return labels.label_map(own)

    def confidences(self, key: str) -> np.ndarray:
        """As of `LabelFile`."""
        labels, own = self._place[key]
        return labels.confidences(own)


Labels = LabelFile | CombinedLabels


class TrainingImages(NamedTuple):
    """What a training reads."""

    root: Path
    rows: list[ImageRow]
    labels: Labels | None
    dataset_of: Mapping[int, str] | None  # of each identity; None of a single dataset


def training_images(members: Sequence[TrainingHalf]) -> TrainingImages:
    """The images of one training half as they are, or of several as one.

    Raises UserError if one of several has no image, if two have the same one, and if their labels are of other parts.
    """
    if len(members) == 1:
        (member,) = members
        return TrainingImages(member.root, member.rows, member.labels, None)
    _check(members)
    identities, cameras = _numbers(members, "identity"), _numbers(members, "camera")
    rows = [
        row._replace(
            key=key_of(member.root, row),
            identity=identities[member.name, row.identity],
            camera=cameras[member.name, row.camera],
        )
        for member in members
        for row in member.rows
    ]
    labels = CombinedLabels(members) if members[0].labels is not None else None
    return TrainingImages(Path(), rows, labels, {number: name for (name, _), number in identities.items()})


def key_of(root: Path, row: ImageRow) -> str:
    """The key of an image in a combination."""
    return (root / row.key).as_posix()


def _numbers(members: Sequence[TrainingHalf], column: str) -> dict[tuple[str, int], int]:
    """New numbers, from 1, of the identities or cameras of each dataset."""
    known = [(member.name, old) for member in members for old in sorted({getattr(row, column) for row in member.rows})]
    return {pair: number for number, pair in enumerate(known, start=1)}


def _check(members: Sequence[TrainingHalf]) -> None:
    owner: dict[str, tuple[TrainingHalf, ImageRow]] = {}
    for member in members:
        readable = [row for row in member.rows if row.readable]
        if not readable:
            raise UserError(
                f"results/{member.name}/manifest.csv: has no readable image to train on; take {member.name} out of "
                "datasets.*.combines"
            )
        for row in readable:
            other, same = owner.setdefault(row.sha256, (member, row))
            if other is not member:
                raise UserError(
                    f"{key_of(member.root, row)}: is the same image as {key_of(other.root, same)}, whose person would "
                    f"count as two; take {member.name} or {other.name} out of datasets.*.combines, or delete the copy"
                )
