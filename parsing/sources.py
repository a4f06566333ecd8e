"""Which images are to be labelled, and in which shard each of them is."""

import csv
import hashlib
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import is_inside, original


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
    except (OSError, UnicodeDecodeError, csv.Error) as error:
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
    for first, second in pairwise(sources):
        if first.key == second.key:
            raise _no_manifest(manifest, f"it lists {first.key} twice")
    return sources


def _no_manifest(manifest: Path, reason: str) -> UserError:
    return UserError(f"{manifest}: is not a manifest ({reason}); run the manifest stage again")


def digest_of(sources: list[Source]) -> str:
    """SHA-256 of which images there are, with their contents: blind to all else that a manifest says of them."""
    return hashlib.sha256("".join(f"{source.sha256} {source.key}\n" for source in sources).encode()).hexdigest()


def shard_of(key: str, shards: int) -> int:
    """Shard of an image by the digest of its key, so that other images, added or removed, do not move it."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % shards
