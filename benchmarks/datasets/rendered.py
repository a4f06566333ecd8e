"""Crops of rendered people, and label maps for them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from artefacts.command import run
from artefacts.manifest import Source, read_sources
from parsing.store import write_labels
from reid.config.root import Config
from reid.config.stages import DrawConfig

GRID = (64, 32)  # cells of a label map


def render(folder: Path, config: Config, **changes: object) -> list[Source]:
    """Crops of people rendered as the demo's but for `changes`, without distractors and junk, sorted by key."""
    changes = {"distractors": 0, "junk": 0} | changes
    synthetic = config.datasets["synthetic"].synthetic.model_copy(update=changes)
    told = DrawConfig(synthetic=synthetic).model_dump_json()
    index = folder / "index.csv"
    words = ["draw", "--config", told, "--index", str(index), "--truth", str(folder / "truth.h5")]
    if run("reid", {"draw": ""}, words):
        raise SystemExit("no images could be rendered")
    return read_sources(index)


def write_random_labels(path: Path, keys: Iterable[str], parts: list[str], rng: np.random.Generator) -> None:
    """A label file of random blocks of parts."""
    none = np.zeros((len(parts), *GRID), np.uint8)
    rows = []
    for key in sorted(keys):
        blocks = rng.integers(0, len(parts) + 1, (GRID[0] // 8, GRID[1] // 8), dtype=np.uint8)
        labels = np.kron(blocks, np.ones((8, 8), np.uint8))
        rows.append({"key": key, "status": "ok", "labels": labels, "confidences": none})
    write_labels(path, GRID, parts, list(range(len(parts) + 1)), len(rows), rows, {})
