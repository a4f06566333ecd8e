"""Rows that were found before: in an earlier run of the stage, or in one that was killed.

An image's row follows from the bytes of its file alone, once network, size, precision, batch size, code and packages
are given. So a row is taken from wherever these agree and the image's SHA-256 is the same, under whichever name.
"""

import hashlib
import sys
from pathlib import Path

from artefacts.errors import UserError
from artefacts.manifest import Source
from parsing.store import FieldFile


class RowCache:
    """Rows of fields files, found by the SHA-256 of their images."""

    def __init__(self, provenance: dict) -> None:
        self._decides, self._rows, self._read_last = cache_key(provenance), {}, None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, path: Path) -> None:
        """Know the rows of this file, if they were made as ours would be; one line says why, if not."""
        try:
            file = FieldFile(path)
        except UserError as error:
            print(f"not reused: {error}", file=sys.stderr)
            return
        if other := differing(cache_key(file.provenance), self._decides):
            print(f"not reused: {path}: was made with another {other}", file=sys.stderr)
        else:
            self._rows |= {digest: (file, key) for digest, key in zip(file.digests(), file.keys, strict=True) if digest}
        file.close()

    def has(self, root: Path, source: Source) -> bool:
        """Whether the row of an image is known; its file is read anew, since it may have changed since the manifest."""
        if source.sha256 not in self._rows:
            return False
        try:
            return hashlib.sha256((root / source.key).read_bytes()).hexdigest() == source.sha256
        except OSError:
            return False

    def row(self, source: Source) -> dict:
        """The known row of an image, under its present key. Of several files only one is open at a time."""
        file, key = self._rows[source.sha256]
        if self._read_last not in (None, file):
            self._read_last.close()
        self._read_last = file
        return file.row(key) | {"key": source.key}


def cache_key(provenance: dict) -> dict:
    """All of a provenance that decides an image's row: not which other images there are, nor how files are called."""
    checkpoint = provenance.get("inputs", {}).get("checkpoint", {}).get("sha256")
    rest = {name: provenance.get(name) for name in ("schema", "stage", "config", "code", "packages")}
    return rest | {"checkpoint": checkpoint}


def differing(first: dict, second: dict) -> str:
    """The first name under which two dicts differ; empty if nowhere."""
    return next((name for name in first if first[name] != second[name]), "")
