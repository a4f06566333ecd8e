"""Folders of a few people in the layouts of published datasets: every image is small and like no other."""

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.manifest import ImageRow, read_manifest
from tests.people import stage

KINDS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", ".png": "PNG", ".tif": "TIFF", ".gif": "GIF",
    ".avif": "AVIF", ".jp2": "JPEG2000", ".ppm": "PPM", ".mpo": "MPO",
}  # fmt: skip


def picture(key: str) -> bytes:
    """The file of an image of 8 x 16 pixels, whose content depends on the key alone."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, KINDS[Path(key).suffix.lower()])
    return buffer.getvalue()


def put(root: Path, keys: Iterable[str]) -> Path:
    """Put an image under each key below the root; returns the root."""
    for key in keys:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(key))
    return root


def market(prefix: str = "") -> list[str]:
    """Keys of Market-1501: 3 training and 2 test identities on 2 cameras, junk and a distractor."""
    train = [f"{prefix}bounding_box_train/{i:04d}_c{c}s1_00{i}{c}51_00.jpg" for i in (2, 7, 10) for c in (1, 2)]
    query = [f"{prefix}query/{i:04d}_c{c}s1_00{i}{c}01_00.jpg" for i in (1, 3) for c in (1, 2)]
    gallery = [f"{prefix}bounding_box_test/{i:04d}_c{c}s1_00{i}{c}76_01.jpg" for i in (0, 1, 3) for c in (1, 2)]
    return [*train, *query, *gallery, f"{prefix}bounding_box_test/-1_c3s2_000401_03.jpg"]


def read(root: Path, folder: Path, **entry: object) -> list[ImageRow]:
    """The manifest of a dataset `root` that is configured by `entry`, made by the stage in `folder`.

    folder.json is next to it.
    """
    manifest = folder / "manifest.csv"
    config = {"name": "own", "dataset": {"root": str(root), **entry}}
    assert stage("manifest", config=config, manifest=manifest, folder=folder / "folder.json") == 0
    return read_manifest(manifest)


def brief(rows: Iterable[ImageRow]) -> list[tuple[str, int, int]]:
    """Split, identity and camera of the rows, sorted."""
    return sorted((row.split, row.identity, row.camera) for row in rows)


def write_lists(folder: Path, **lists: list[str]) -> None:
    """The lists of MSMT17, `train` as list_train.txt: lines of path and identity."""
    for name, lines in lists.items():
        (folder / f"list_{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def write_table(path: Path, **columns: list) -> None:
    """A table as pandas writes it to JSON: by column and row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {name: {str(row): value for row, value in enumerate(values)} for name, values in columns.items()}
    path.write_text(json.dumps(table))
