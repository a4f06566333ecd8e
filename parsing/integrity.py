"""The seal of the label stages' files: a truncated, damaged or foreign one is refused before a row of it is read.

A user block of 512 bytes, which HDF5 readers skip, holds one JSON line (schema, version, size and SHA-256 of all bytes
after it); then HDF5. Equal content gives equal bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from artefacts.errors import UserError
from artefacts.files import replacing
from artefacts.hdf5 import create_hdf5, not_open

USER_BLOCK = 512  # bytes; the least that HDF5 allows
WRITER = "the label stages"
FIELDS, LABELS = "pifpaf fields", "part labels"
VERSIONS = {FIELDS: 2, LABELS: 3}


@contextmanager
def sealed(path: Path, schema: str) -> Iterator[h5py.File]:
    """A new HDF5 file, sealed with size and digest, that takes the place of `path` when the block ends well."""
    with replacing(path) as temporary:
        with create_hdf5(temporary, userblock_size=USER_BLOCK, libver="v110") as file:
            yield file
        size, digest = _rest(temporary)
        seal = {"schema": schema, "version": VERSIONS[schema], "size": size, "sha256": digest}
        with open(temporary, "r+b") as file:
            file.write(json.dumps(seal).encode().ljust(USER_BLOCK - 1) + b"\n")


def _rest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of what follows the user block."""
    with open(path, "rb") as file:
        file.seek(USER_BLOCK)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size - USER_BLOCK, digest


def verify_checksum(path: Path, schema: str) -> None:
    """Raises UserError if the file is missing, is of another schema or version, or not as it was written."""
    try:
        with open(path, "rb") as file:
            block = file.read(USER_BLOCK)
    except OSError as error:
        raise not_open(path, error, WRITER) from None
    try:
        seal = json.loads(block)
        found, version, size, digest = seal["schema"], seal["version"], seal["size"], seal["sha256"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: is not a file of this project's label stages; give one, or run them again") from None
    if found != schema:
        raise UserError(f"{path}: holds {found} where {schema} are wanted; give the other file")
    if version != VERSIONS[schema]:
        known = VERSIONS[schema]
        raise UserError(f"{path}: has schema version {version}, this code reads {known}; run {WRITER} again")
    if path.stat().st_size - USER_BLOCK != size:
        there = path.stat().st_size - USER_BLOCK
        raise UserError(
            f"{path}: is truncated or was added to ({there} bytes, not {size}); delete it and run {WRITER} again"
        )
    if _rest(path)[1] != digest:
        raise UserError(f"{path}: is damaged (its SHA-256 is not the one in it); delete it and run {WRITER} again")
