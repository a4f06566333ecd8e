"""Index files: FAISS's own, followed by JSON that says of what they were made (`Told`), its length and `MAGIC`.

FAISS reads natively, so the bytes are compared with their digest first. That tells damage, not malice: of a stranger,
take features (NPZ) and build the index anew.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from artefacts.config import Section
from artefacts.errors import UserError
from artefacts.extras import needed
from artefacts.files import replacing
from reid.checkpoints.pack_format import Pack
from reid.search.index import Index, IndexedFile

ENDING, MAGIC = ".faiss", b"bpbreid.index.01"


class Told(Section):
    """What an index file says: the files that it was made of, in order, and the pack that compares their vectors."""

    format: Literal[2] = 2
    pack: Pack
    level: float  # of the mean cosines that are told apart best
    files: list[IndexedFile]
    sha256: str  # of FAISS's bytes

    @property
    def paths(self) -> list[str]:
        return [file.path for file in self.files]


def write_index(path: Path, index: Index) -> None:
    """Write an index, atomically."""
    faiss = needed("faiss", "faiss")
    with replacing(path) as temporary:
        try:
            faiss.write_index(index.vectors, str(temporary))
        except RuntimeError as error:
            raise UserError(f"{path}: cannot be written ({_first_line(error)}); make room there") from None
        with open(temporary, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        told = Told(pack=index.pack, level=index.level, files=index.files, sha256=sha256).model_dump_json().encode()
        with open(temporary, "ab") as file:
            file.write(told + len(told).to_bytes(8, "little") + MAGIC)


def read_index(path: Path, pack: Pack | None = None) -> Index:
    """The index in a file. Raises UserError if it is damaged, of another model than `pack`, or none of ours at all."""
    faiss = needed("faiss", "faiss")
    told = _told(path)
    if pack and not told.pack.embeds_as(pack):
        raise UserError(
            f"{path}: is of another model than {pack.name} (of {told.pack.name}); build one of features of this model: "
            f"{again([])}"
        )
    try:
        vectors = faiss.read_index(str(path))
    except RuntimeError as error:
        raise UserError(f"{path}: is damaged ({_first_line(error)}); build it again: {again(told.paths)}") from None
    if vectors.ntotal != sum(file.images for file in told.files):
        raise UserError(f"{path}: does not hold the images that it names; build it again: {again(told.paths)}")
    return Index(vectors, told.pack, told.level, told.files)


def _told(path: Path) -> Told:
    """What a file says of itself, if its bytes are those that were written."""
    foreign = f"{path}: is no index of reid index"
    try:
        with open(path, "rb") as file:
            end = file.seek(0, 2) - len(MAGIC) - 8
            file.seek(max(end, 0))
            length, magic = int.from_bytes(file.read(8), "little"), file.read()
            if magic != MAGIC or not 0 < length <= end:
                raise UserError(f"{foreign}, or cut off; build one: {again([])}")
            file.seek(end - length)
            told = Told.model_validate_json(file.read(length))
            file.seek(0)
            digest, left = hashlib.sha256(), end - length
            while chunk := file.read(min(left, 1 << 20)):
                digest.update(chunk)
                left -= len(chunk)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; build it: {again([])}") from None
    except ValidationError:
        raise UserError(f"{foreign} of this version, or damaged; build one: {again([])}") from None
    if digest.hexdigest() != told.sha256:
        raise UserError(f"{path}: is damaged; build it again: {again(told.paths)}")
    return told


def again(files: Sequence[str | Path]) -> str:
    """The command that builds an index of these files of features."""
    return f"reid index {' '.join(map(str, files)) or 'FEATURES.npz'} --output GALLERY{ENDING}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
