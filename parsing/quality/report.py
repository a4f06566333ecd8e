"""What labels are worth: how much they cover, which images they fail on, and how near they come to a known truth."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from parsing.config import Scheme
from parsing.ground_truth import Truth
from parsing.labels.skeletons import counted
from parsing.quality import metrics as accuracy
from parsing.schemes import UNKNOWN, coarse_labels, part_scheme
from parsing.store import FieldFile, LabelFile

LISTED = 100  # images that a report names at most
AMBIGUOUS = 0.5  # ambiguity from which another person fits nearly as well


class ImageQuality(NamedTuple):
    """What the labels of one image show; a row of the table of quality."""

    key: str
    status: str
    people: int  # found by the decoder
    target: int | None  # which of them was picked
    ambiguity: float
    visible_parts: int  # parts that have a cell
    labelled: float  # share of cells with a part
    confidence: float  # mean over parts of their largest
    problem: str


def look(labels: LabelFile, fields: FieldFile, key: str) -> tuple[ImageQuality, np.ndarray]:
    """The row of an image, and whether each part [K] has a cell in it."""
    label_map, strength = labels.label_map(key), labels.confidences(key).max((1, 2)) / 255
    visible = np.isin(np.arange(1, len(labels.part_names) + 1), label_map)
    people = int(counted(fields.skeletons(key)).sum())
    shown = float(((label_map > 0) & (label_map != UNKNOWN)).mean())
    seen = (int(visible.sum()), round(shown, 4), round(float(strength.mean()), 4))
    picked = (people, labels.person(key), round(labels.ambiguity(key), 4))
    return ImageQuality(key, labels.status(key), *picked, *seen, fields.problem(key)), visible


def coverage(labels: LabelFile, fields: FieldFile, keys: Iterable[str]) -> tuple[dict, list[ImageQuality]]:
    """How many images were labelled and what they show; and the images in order of trust, worst first.

    A part is visible in an image if it has a cell. An image is worth the number of its visible parts, then the mean of
    their largest confidences.
    """
    rows, visible = zip(*(look(labels, fields, key) for key in keys), strict=True)
    visible, count = np.stack(visible), len(rows)
    report = {
        "images": count,
        "status": dict(sorted(Counter(row.status for row in rows).items())),
        "skeletons": dict(sorted(Counter(fields.status(row.key) for row in rows).items())),
        "labelled": float(visible.any(1).mean()),
        "visible_parts": float(visible.sum(1).mean()),
        "visible": dict(zip(labels.part_names, map(float, visible.mean(0)), strict=True)),
        "unreadable": sum(row.status == "unreadable" for row in rows) / count,
        "too_small": sum(row.status == "too_small" for row in rows) / count,
        "ambiguous": sum(row.ambiguity > AMBIGUOUS for row in rows) / count,
        "problems": dict([(row.key, row.problem) for row in rows if row.problem][:LISTED]),
    }
    worst_first = sorted(rows, key=lambda row: (row.visible_parts, row.confidence))
    return report | {"worst": [row.key for row in worst_first[:LISTED]]}, worst_first


def against_truth(labels: LabelFile, fields: FieldFile, truth: Truth, keys: Iterable[str]) -> dict:
    """Part IoU of the labels and accuracy of the skeletons over the images that were read.

    IoU of a part is the sum over images of the cells in both over that of the cells in either; unknown cells count as
    background, so an image in which no person was found counts as missed. Parts that the truth does not tell apart from
    others, such as hands, have none.
    """
    scheme = part_scheme(Scheme.model_validate_json(json.dumps(labels.provenance["config"]["scheme"])))
    coarse = np.array(coarse_labels(truth.part_names, scheme), np.uint8)
    parts = len(scheme.part_names)
    both, either = np.zeros(parts + 1, int), np.zeros(parts + 1, int)
    judged = []
    for key in keys:
        ours = labels.label_map(key)
        theirs = coarse[at_cells(truth.parts(key), labels.grid)]
        counted = accuracy.overlap_counts(np.where(ours == UNKNOWN, 0, ours), theirs, parts)
        both, either = both + counted[0], either + counted[1]
        people = truth.people(key)
        judged.append(accuracy.judge(fields.skeletons(key), labels.person(key), people, truth.size[1] / truth.size[0]))
    ious = both / np.maximum(either, 1)
    told = {name: float(ious[part]) for part, name in enumerate(scheme.part_names, 1) if part in coarse}
    return {
        "part_iou": {"mean": float(np.mean(list(told.values()))), "background": float(ious[0]), **told},
        **accuracy.summary(judged),
    }


def at_cells(picture: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The pixels of `picture` [H, W] at the centres of the cells of `grid`."""
    rows, columns = (
        ((np.arange(cells) + 0.5) * length / cells).astype(int)
        for length, cells in zip(picture.shape, grid, strict=True)
    )
    return picture[np.ix_(rows, columns)]
