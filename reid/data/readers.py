"""Readers: from a dataset's folder, or a list of its files, to the split, identity and camera of every image.

Reader `market1501`: folders `bounding_box_train`, `query`, `bounding_box_test`, and names that begin with identity and
camera, as in Market-1501 (`0002_c1s1_000451_03.jpg`) and DukeMTMC-reID (`0005_c2_f0046985.jpg`). Identity -1 is junk
that no protocol uses, 0000 marks distractors of the gallery.
"""

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from artefacts.errors import UserError
from reid.data.manifest import is_inside

FOLDERS = {"bounding_box_train": "train", "query": "query", "bounding_box_test": "gallery"}
NAME = re.compile(r"(?P<identity>-1|[0-9]{1,9})_c(?P<camera>[0-9]{1,4})(s[0-9]+)?([_.-][\w.+@=-]*)?")
PATTERN = "IDENTITY_cCAMERA_… as in 0002_c1s1_000451_03.jpg or 0005_c2_f0046985.jpg"
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
JUNK = -1


class Name(NamedTuple):
    """What the name of an image says."""

    key: str
    split: str
    identity: int  # -1 = junk
    camera: int


def parse_key(key: str) -> Name:
    """Split, identity and camera of `FOLDER/NAME`. Raises UserError, naming the pattern, if it does not follow it."""
    path = PurePosixPath(key)
    matched = NAME.fullmatch(path.stem)
    if matched is None or path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{key!r}: is not named {PATTERN}; rename it, or move it out of the dataset")
    if path.parent.name not in FOLDERS or len(path.parts) != 2:
        raise UserError(f"{key!r}: does not lie in one of the folders {', '.join(FOLDERS)}")
    return Name(key, FOLDERS[path.parent.name], int(matched["identity"]), int(matched["camera"]))


def list_folder(root: Path, name: str, wanted: Iterable[str]) -> list[str]:
    """Keys of all images in the folders of the `wanted` splits, sorted; other files (Thumbs.db, …) are passed over.

    `name` is the dataset's entry in config.yaml. Raises UserError if a folder is missing, holds no image, or if an
    image is a link that leads outside `root`.
    """
    keys = []
    for folder in (folder for folder, split in FOLDERS.items() if split in wanted):
        if not (root / folder).is_dir():
            raise UserError(_missing(root, name, folder))
        files = sorted(entry.name for entry in os.scandir(root / folder) if _is_image(entry))
        if not files:
            raise UserError(f"{root / folder}: holds no image ({', '.join(SUFFIXES)}); copy the dataset's images there")
        keys += [f"{folder}/{file}" for file in files]
    return keys


def _is_image(entry: os.DirEntry) -> bool:
    hidden = entry.name.startswith(".")  # among them ._NAME.jpg, which macOS leaves beside copied files
    return not hidden and entry.name.lower().endswith(SUFFIXES) and not entry.is_dir()


def _missing(root: Path, name: str, folder: str) -> str:
    deeper = sorted(path.parent for path in root.glob(f"*/{folder}")) if root.is_dir() else []
    if deeper:
        return f"{root}: has no folder {folder!r}, but {deeper[0]} has; set datasets.{name}.root to that in config.yaml"
    return (
        f"{root}: has no folder {folder!r}; put the dataset there, with the folders {', '.join(FOLDERS)}, or set "
        f"datasets.{name}.root in config.yaml (it is yours to obtain, under its own terms; nothing is downloaded)"
    )


def read_index(path: Path) -> dict[str, str]:
    """SHA-256 by key, from a CSV with the columns key, sha256. Raises UserError if it is not such a file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        digests = dict(lines)
    except FileNotFoundError:
        raise UserError(f"{path}: no such list of images; run the draw rule again") from None
    except (ValueError, csv.Error):
        raise UserError(f"{path}: is damaged; delete it and run the draw rule again") from None
    if header != ["key", "sha256"] or not digests:
        raise UserError(f"{path}: must list images under the columns key,sha256; run the draw rule again")
    return digests


def contained(root: Path, key: str) -> Path:
    """The file of a key. Raises UserError if it lies outside `root`, by its name or through a link."""
    path = root / key
    if not is_inside(key) or not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path}: leads outside {root}; put a copy of the image there instead")
    return path
