"""What labels are worth: how much they cover, which images they fail on, and how near they come to a known truth."""

import json
from collections import Counter
from collections.abc import Iterable

import numpy as np

from parsing import accuracy
from parsing.config import Scheme
from parsing.schemes import UNKNOWN, coarse_labels, part_scheme
from parsing.store import FieldFile, LabelFile
from parsing.truth import Truth

LISTED = 100  # images that a report names at most


def coverage(labels: LabelFile, fields: FieldFile, keys: Iterable[str]) -> dict:
    """How many images were labelled and what they show, and the images in order of trust, worst first.

    A part is visible in an image if it has a cell. An image is worth the number of its visible parts, then the sum of
    their largest confidences.
    """
    looked = [(key, *_parts_of(labels, key)) for key in keys]
    visible, strength = (np.array(column).reshape(len(looked), -1) for column in list(zip(*looked, strict=True))[1:])
    worth = visible.sum(1) + (strength * visible).mean(1)
    keys = [key for key, *_ in looked]
    problems = {key: fields.problem(key) for key in keys if fields.problem(key)}
    return {
        "images": len(keys),
        "status": dict(sorted(Counter(map(labels.status, keys)).items())),
        "skeletons": dict(sorted(Counter(map(fields.status, keys)).items())),
        "labelled": float(visible.any(1).mean()),
        "visible_parts": float(visible.sum(1).mean()),
        "visible": dict(zip(labels.part_names, map(float, visible.mean(0)), strict=True)),
        "problems": dict(list(problems.items())[:LISTED]),
        "worst": [keys[row] for row in np.argsort(worth, kind="stable")[:LISTED]],
    }


def _parts_of(labels: LabelFile, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Whether each part has a cell in an image [K], and its largest confidence [K]."""
    visible = np.isin(np.arange(1, len(labels.part_names) + 1), labels.label_map(key))
    return visible, labels.confidences(key).max((1, 2)) / 255


def against_truth(labels: LabelFile, fields: FieldFile, truth: Truth, keys: Iterable[str]) -> dict:
    """Part IoU of the labels and accuracy of the skeletons over the images that were read.

    IoU of a part is the sum over images of the cells in both over that of the cells in either; unknown cells count as
    background, so an image in which nobody was found counts as missed.
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
        judged.append(accuracy.judge(fields.skeletons(key), people, truth.size[1] / truth.size[0]))
    ious = both / np.maximum(either, 1)
    named = dict(zip(scheme.part_names, map(float, ious[1:]), strict=True))
    return {
        "part_iou": {"mean": float(ious[1:].mean()), "background": float(ious[0]), **named},
        **accuracy.summary(judged),
    }


def at_cells(picture: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The pixels of `picture` [H, W] at the centres of the cells of `grid`."""
    rows, columns = (
        ((np.arange(cells) + 0.5) * length / cells).astype(int)
        for length, cells in zip(picture.shape, grid, strict=True)
    )
    return picture[np.ix_(rows, columns)]
