"""The manifest: one row an image of a dataset, sorted by key. Everything later in the workflow starts from it."""

import csv
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from artefacts.errors import UserError
from artefacts.files import is_inside, original, write_csv

SPLITS = ("train", "query", "gallery")
LARGEST = 2**31 - 1  # number of an identity or a camera
DISTRACTOR = 0  # identity of gallery images that show nobody who is searched for


class ImageRow(NamedTuple):
    """One image of a dataset."""

    key: str  # path below the dataset's root, with forward slashes
    split: str  # of SPLITS
    identity: int  # 0 = distractor
    camera: int
    width: int  # pixels; 0 if the image cannot be read
    height: int
    sha256: str  # of the file's bytes
    identity_name: str = ""  # what the dataset calls the identity; any text
    camera_name: str = ""  # what the dataset calls the camera; empty where it knows none

    @property
    def readable(self) -> bool:
        """Whether the image could be decoded when the manifest was made."""
        return self.width > 0


def write_manifest(path: Path, rows: Iterable[ImageRow]) -> None:
    """Write the rows as CSV, sorted by key."""
    write_csv(path, [ImageRow._fields, *sorted(rows)])


def read_manifest(path: Path, split: str | None = None) -> list[ImageRow]:
    """The rows of a manifest, or those of one split, sorted by key.

    Raises UserError if there is no such file or if a line of it is not what `write_manifest` writes.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        raise UserError(f"{path}: no such manifest; run the manifest stage first") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: is not a manifest ({error}); delete it and run the manifest stage again") from None
    if not lines or tuple(lines[0]) != ImageRow._fields:
        raise UserError(f"{path}: the first line must be {','.join(ImageRow._fields)}; run the manifest stage again")
    rows = [_parsed(path, number, fields) for number, fields in enumerate(lines[1:], start=2)]
    for number, (first, second) in enumerate(itertools.pairwise(rows), start=3):
        if first.key >= second.key:
            raise UserError(f"{path}: line {number}: {second.key} is repeated or out of order; run the manifest stage")
    return [row for row in rows if split in (None, row.split)]


def _parsed(path: Path, number: int, fields: list[str]) -> ImageRow:
    try:
        key, split, identity, camera, width, height, *texts = map(original, fields)
        row = ImageRow(key, split, int(identity), int(camera), int(width), int(height), *texts)
    except (ValueError, TypeError):
        row = None
    if row is None or len(fields) != len(ImageRow._fields):
        raise _malformed(path, number, f"does not hold the {len(ImageRow._fields)} columns")
    if not is_inside(row.key):
        raise _malformed(path, number, f"the key {row.key!r} leads outside the dataset")
    if row.split not in SPLITS:
        raise _malformed(path, number, f"the split {row.split!r} is not one of {', '.join(SPLITS)}")
    if min(row.identity, row.camera, row.width, row.height) < 0:
        raise _malformed(path, number, "a number is negative")
    if max(row.identity, row.camera, row.width, row.height) > LARGEST:
        raise _malformed(path, number, f"a number is above {LARGEST}")
    return row


def _malformed(path: Path, number: int, reason: str) -> UserError:
    return UserError(f"{path}: line {number}: {reason}; delete the file and run the manifest stage again")
