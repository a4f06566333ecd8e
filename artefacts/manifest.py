"""The manifest: one row an image of a dataset, sorted by key. Everything later in the workflow starts from it."""

import argparse
import csv
import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from artefacts.errors import UserError
from artefacts.files import is_inside, original, write_csv

SPLITS = ("train", "query", "gallery")
LARGEST = 2**31 - 1  # number of an identity or a camera
DISTRACTOR = 0  # identity of gallery images that show no person who is searched for


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


@dataclass(frozen=True)
class Source:
    """An image of the manifest: its key and the SHA-256 that its file had then."""

    key: str
    sha256: str


def read_sources(manifest: Path) -> list[Source]:
    """The images of a manifest, or of another CSV with the columns key and sha256, sorted by key.

    Raises UserError if it is missing, lacks a column, lists no image or one twice, or if a row has another length than
    the header.
    """
    try:
        with open(manifest, newline="", encoding="utf-8") as file:
            header, *rows = filter(None, csv.reader(file))
        columns = header.index("key"), header.index("sha256")
    except FileNotFoundError:
        raise UserError(f"{manifest}: no such manifest; run the manifest stage first") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_manifest(manifest, repr(error)) from None
    except ValueError:
        raise _no_manifest(manifest, "its first line does not name the columns key and sha256") from None
    if not rows:
        raise _no_manifest(manifest, "it lists no image")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header) or not all(row[column] for column in columns):
            raise _no_manifest(manifest, f"image {number} does not fill the {len(header)} columns")
    sources = sorted((Source(*(original(row[column]) for column in columns)) for row in rows), key=attrgetter("key"))
    if outside := [source.key for source in sources if not is_inside(source.key)]:
        raise _no_manifest(manifest, f"the key {outside[0]!r} leads outside the dataset")
    for first, second in itertools.pairwise(sources):
        if first.key == second.key:
            raise _no_manifest(manifest, f"it lists {first.key} twice")
    return sources


def _no_manifest(manifest: Path, reason: str) -> UserError:
    return UserError(f"{manifest}: is not a manifest ({reason}); run the manifest stage again")


def digest_of(sources: list[Source]) -> str:
    """SHA-256 of which images there are, with their contents: blind to all else that a manifest says of them."""
    return hashlib.sha256("".join(f"{source.sha256} {source.key}\n" for source in sources).encode()).hexdigest()


def shard_from(text: str) -> tuple[int, int]:
    """Number and count of a shard such as 0-of-2, for argparse."""
    match = re.fullmatch(r"(\d+)-of-([1-9]\d*)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; write 0-of-2 for the first of two")
    return int(match[1]), int(match[2])


def shard_of(key: str, shards: int) -> int:
    """Shard of an image by the digest of its key, so that other images, added or removed, do not move it."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % shards
