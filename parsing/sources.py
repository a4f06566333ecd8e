"""Which images are to be labelled, and in which shard each of them is."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from artefacts.errors import UserError


@dataclass(frozen=True)
class Source:
    """An image of the manifest: its key and the SHA-256 that its file had then."""

    key: str
    sha256: str


def read_sources(manifest: Path) -> list[Source]:
    """The images of a manifest. Raises UserError if it is missing or lacks a column."""
    try:
        with open(manifest, newline="", encoding="utf-8") as file:
            return [Source(row["key"], row["sha256"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{manifest}: is not a manifest ({error!r}); run the manifest stage again") from None


def shard_of(key: str, shards: int) -> int:
    """Shard of an image by the digest of its key, so that other images, added or removed, do not move it."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % shards
