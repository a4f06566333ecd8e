"""A tiny PifPaf network, images, and fabricated maps: what the label stages need to be tested in seconds."""

import csv
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.command import run
from parsing.config import Extraction
from parsing.store import write_fields

SIZE = (64, 32)  # height, width
GRID = (9, 5)  # of maps with stride 8 of the padded 65 x 33
FIVE = {
    "parts": {
        "head": [0, 1, 2, 3, 4, 29, 30, 31, 32, 33, 34, 35],
        "arms": [5, 6, 7, 8, 9, 10, 25, 26, 27, 28],
        "torso": [11, 12, 21, 22, 23, 24],
        "legs": [11, 12, 13, 14, 17, 18, 19, 20, 21],
        "feet": [15, 16],
    }
}
SETTINGS = {"batch_size": 4, "precision": "float32"}  # of stage fields
WORK = {"threads": 1, "known": "none.h5", "state": "state"}
LABELS = {"kind": "plain", "target": "head", "threshold": 0.5, "unreadable": "fail"}


def stage(name: str, *words: object, **options: object) -> int:
    """Exit status of `python -m parsing NAME --OPTION VALUE … WORD …` without the new process; dicts become JSON."""
    line = [name]
    for option, value in options.items():
        line += [f"--{option.replace('_', '-')}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return run("parsing", {name: ""}, line + [str(word) for word in words])


def find(folder: Path, output: str = "fields.h5", shard: str = "0-of-1", **changes: object) -> int:
    """Exit status of stage fields on folder/images, manifest.csv and net.safetensors (a network of `tests.pifpaf`).

    `changes` of its configuration, and `threads`, `known` (a file's name), `state` (a folder's).
    """
    options = {name: changes.pop(name, usual) for name, usual in WORK.items()}
    extraction = SETTINGS | {name: changes.pop(name) for name in Extraction.model_fields if name in changes}
    config = {
        "root": str(folder / "images"),
        "pifpaf": {"weights": "", "size": SIZE},
        "extraction": extraction,
    } | changes
    paths = {"manifest": "manifest.csv", "checkpoint": "net.safetensors", "fields": output, **options}
    threads = paths.pop("threads")
    placed = {name: folder / path for name, path in paths.items()}
    return stage("fields", config=config, shard=shard, threads=threads, **placed)


def merge(folder: Path, output: str, *shards: str) -> Path:
    """These files of `folder` merged into another of it."""
    names = [folder / shard for shard in shards]
    assert stage("merge", "--fields", *names, manifest=folder / "manifest.csv", merged=folder / output) == 0
    return folder / output


def noise_image(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of coloured blocks, another for each seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    return Image.fromarray(blocks.repeat(8, 0).repeat(8, 1))


def write_manifest(root: Path, path: Path) -> list[str]:
    """List every file below `root` in a manifest with only the columns that labelling reads; returns the keys."""
    keys = sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())
    with open(path, "w", newline="") as file:
        rows = [(key, hashlib.sha256((root / key).read_bytes()).hexdigest()) for key in keys]
        csv.writer(file).writerows([("key", "sha256"), *rows])
    return keys


def skeleton(x: float, confidence: float = 0.9) -> np.ndarray:
    """A standing person [17, 3] around `x`, from head to feet, all keypoints found."""
    y = [0.1, 0.09, 0.09, 0.1, 0.1, 0.2, 0.2, 0.35, 0.35, 0.5, 0.5, 0.5, 0.5, 0.7, 0.7, 0.9, 0.9]
    aside = [0, 0.02, -0.02, 0.03, -0.03, 0.1, -0.1, 0.13, -0.13, 0.14, -0.14, 0.06, -0.06, 0.07, -0.07, 0.07, -0.07]
    return np.stack([x + np.array(aside), np.array(y), np.full(17, confidence)], 1).astype(np.float32)


def field_row(key: str, status: str = "ok", seed: int = 0, problem: str = "") -> dict:
    """A row of random maps with one person in the middle; all empty if there is a problem."""
    maps = np.random.default_rng(seed).integers(0, 256, (36, *GRID), np.uint8)
    people = np.stack([skeleton(0.5), *np.zeros((3, 17, 3), np.float32)])
    empty = bool(problem)
    return {
        "key": key,
        "status": status,
        "problem": problem,
        "confidences": maps * (not empty),
        "skeletons": people * (not empty),
        "size": (0, 0) if empty else SIZE[::-1],
        "sha256": "",
    }


def write_field_rows(path: Path, rows: Iterable[dict], count: int | None = None) -> None:
    """A fields file of these rows."""
    attributes = {"provenance": {}, "stride": 8, "input_size": SIZE, "checkpoint_sha256": "0" * 64}
    write_fields(path, GRID, len(rows) if count is None else count, rows, attributes)
