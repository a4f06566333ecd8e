"""A tiny rendered dataset and part labels from its ground truth, for tests that want to change one."""

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from artefacts.command import run
from artefacts.manifest import read_manifest
from parsing.store import write_labels

PEOPLE = {
    "seed": 3, "identities": 8, "images": 6, "cameras": 3, "distractors": 4, "junk": 2, "width": 64, "height": 128,
    "crowd": 0.2, "occlusion": 1.0,
}  # fmt: skip
COARSE = {
    "head": [1],
    "arms": [3, 4, 5, 6],
    "torso": [2],
    "legs": [7, 8, 9, 10],
    "feet": [11, 12],
}  # fine parts of each


@dataclass(frozen=True)
class People:
    """A rendered dataset: 8 identities (4 train) x 6 images of 64 x 128 pixels on 3 cameras, 4 distractors, 2 junk."""

    root: Path
    index: Path
    truth: Path
    manifest: Path
    labels: Path  # true parts as a label file: head, arms, torso, legs, feet on 32 x 16 cells
    entry: dict  # of the dataset in a configuration


def stage(name: str, **options: object) -> int:
    """Exit status of `python -m reid.stages NAME --OPTION VALUE …` without the new process; dicts become JSON."""
    words = [name]
    for option, value in options.items():
        words += [f"--{option}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return run("reid", {name: ""}, words)


def draw(folder: Path, **changes: object) -> Path:
    """Draw the people, with these keys of PEOPLE changed, into `folder`; returns the index."""
    index = folder / "source" / "index.csv"
    assert stage("draw", config={"synthetic": PEOPLE | changes}, index=index, truth=index.with_name("truth.h5")) == 0
    return index


def write_true_labels(truth: Path, manifest: Path, labels: Path, stride: int = 4) -> None:
    """A label file with the true part at the centre of every block of `stride` x `stride` pixels."""
    group = np.zeros(256, np.uint8)
    for label, fine in enumerate(COARSE.values(), start=1):
        group[fine] = label
    with h5py.File(truth) as file:
        centres = file["parts"][:, stride // 2 :: stride, stride // 2 :: stride]
        maps = dict(zip(file["key"].asstr()[:], group[centres], strict=True))
    rows = [
        {"key": row.key, "status": "ok", "labels": maps[row.key], "confidences": _one_hot(maps[row.key])}
        for row in read_manifest(manifest)
    ]
    write_labels(labels, rows[0]["labels"].shape, list(COARSE), list(range(len(COARSE) + 1)), len(rows), rows, {})


def _one_hot(labels: np.ndarray) -> np.ndarray:
    return np.stack([255 * (labels == label) for label in range(1, len(COARSE) + 1)]).astype(np.uint8)
