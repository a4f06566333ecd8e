"""Fabricated embeddings: what a trained model could have made of a few people."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from reid.embeddings.store import HOLISTIC, Split, write_embeddings

NAMES = [*HOLISTIC, "head", "torso", "legs"]
CELLS = (4, 2)


def fabricate(
    seed: int, images: int, identities: int = 6, cameras: int = 3, dimension: int = 8, noise: float = 1.0
) -> Split:
    """Images of random identities (from 1 on), each embedding its identity's own with noise, half the parts hidden."""
    rng = np.random.default_rng(seed)
    identity = rng.integers(1, identities + 1, images)
    centres = np.random.default_rng(0).normal(size=(identities + 1, len(NAMES), dimension))
    visibility = rng.random((images, len(NAMES))) < 0.5
    visibility[:, :2] = True
    return Split(
        key=[f"{seed}/{number:05d}.jpg" for number in range(images)],
        features=(centres[identity] + noise * rng.normal(size=(images, len(NAMES), dimension))).astype(np.float32),
        visibility=visibility,
        score=rng.random((images, len(NAMES))).astype(np.float32),
        identity=identity,
        camera=rng.integers(1, cameras + 1, images),
        attention=rng.integers(0, 256, (images, len(NAMES) - 1, *CELLS), dtype=np.uint8),
    )


class Held:
    """A split in memory, read like one in a file."""

    path = "these images"

    def __init__(self, split: Split) -> None:
        self._split = split
        for name in ("key", "visibility", "score", "identity", "camera"):
            setattr(self, name, getattr(split, name))

    def __len__(self) -> int:
        return len(self.key)

    def key_of(self, index: int) -> str:
        return self.key[index]

    def features(self, columns: list[int], start: int = 0, stop: int | None = None) -> np.ndarray:
        rows = self._split.features[start:stop, columns]
        return np.ascontiguousarray(rows.reshape(len(rows), len(columns) * rows.shape[-1]))


def held(query: Split, gallery: Split) -> SimpleNamespace:
    """Query and gallery in memory, as `reading` opens them from a file."""
    return SimpleNamespace(
        names=NAMES, parts=NAMES[2:], query=Held(query), gallery=Held(gallery), provenance={}, part_attention=None
    )


def write(path: Path, query: Split, gallery: Split) -> Path:
    write_embeddings(path, NAMES, query, gallery, CELLS, {})
    return path
