"""Features in a file (NPZ), which `search` reads as a gallery and `embed` takes known images from.

It holds the arrays of `Features`, the images' `names`, the `sha256` of each file's bytes and the pack's `config.json`.
Nothing in it is unpickled, so that a file from a stranger runs no code.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from artefacts.errors import UserError
from artefacts.files import replacing
from reid.checkpoints.pack_format import Pack
from reid.search.features import Features

ENDING = ".npz"
EMBED = f"reid embed FOLDER --model PACK --output OTHER{ENDING}"
ARRAYS = {  # type and number of axes
    "embeddings": (np.float32, 3),
    "visible": (np.bool_, 2),
    "scores": (np.float32, 2),
    "attention": (np.uint8, 4),
}


class KeptFeatures(NamedTuple):
    """Features of N images and the SHA-256 of their files' bytes [N]."""

    features: Features
    sha256: list[str]


def write_features(path: Path, features: Features, sha256: Sequence[str]) -> None:
    """Write the features of images whose files have these digests, atomically."""
    arrays = {name: getattr(features, name) for name in ARRAYS}
    arrays |= {"names": np.array(features.names, str), "sha256": np.array(sha256, str)}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, pack=np.array(features.pack.model_dump_json()), **arrays)


def read_features(path: Path, mapped: bool = False) -> KeptFeatures:
    """The features in a file. Raises UserError if there is none, or if it is or holds anything else.

    If `mapped`, arrays stay in the file, and only what is used of them is read; their checksums are not.
    """
    if path.suffix.lower() != ENDING:
        raise UserError(f"{path}: is no file of features, which ends in {ENDING}; make one: {EMBED}")
    try:
        with np.load(path, allow_pickle=False) as file:
            large = ARRAYS if mapped else ()
            content = {name: file[name] for name in (*ARRAYS, "names", "sha256", "pack") if name not in large}
        content |= {name: _mapped(path, name) for name in large}
        pack = Pack.model_validate_json(str(content.pop("pack")))
        kept = _checked(pack, content)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it: reid embed FOLDER --model PACK --output {path}") from None
    except ValidationError:
        raise UserError(f"{path}: was written by another version; embed its images again: {EMBED}") from None
    except Exception as error:  # of many types: the file is anything
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: is damaged, or no file of features ({reason}); make one: {EMBED}") from None
    return kept


def digest_of(path: Path) -> str:
    """SHA-256 of what a file of features says it holds: name, size and CRC-32 of each array, which its end tells.

    So that it is as fast for a million images as for one. Raises UserError if it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            told = sorted((one.filename, one.file_size, one.CRC) for one in file.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: is no file of features ({error}); make it by reid embed") from None
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _mapped(path: Path, name: str) -> np.ndarray:
    """An array of a file of features that stays there. Raises ValueError if it is packed or of another type."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with open(path, "rb") as file:
        file.seek(member.header_offset + 26)  # of a ZIP file's local header: lengths of the name and of what is extra
        file.seek(sum(np.frombuffer(file.read(4), "<u2").tolist()), 1)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(file)
        if kind != ARRAYS[name][0] or fortran:
            raise ValueError(f"{name} is of {kind}")
        if not np.prod(shape):
            return np.zeros(shape, kind)
        return np.memmap(file, kind, "r", file.tell(), shape)


def _checked(pack: Pack, content: dict[str, np.ndarray]) -> KeptFeatures:
    """Raises ValueError for arrays that are not of the types and shapes of `pack`."""
    count, embeddings = len(content["names"]), len(pack.parts) + 2
    shapes = {
        "embeddings": (count, embeddings, pack.channels),
        "visible": (count, embeddings),
        "scores": (count, embeddings),
        "attention": (count, len(pack.parts) + 1),
    }
    for name, (kind, axes) in ARRAYS.items():
        array = content[name]
        if array.dtype != kind or array.ndim != axes or array.shape[: len(shapes[name])] != shapes[name]:
            raise ValueError(f"{name} is {list(array.shape)} of {array.dtype}")
    for name in ("names", "sha256"):
        if content[name].dtype.kind != "U" or content[name].shape != (count,):
            raise ValueError(f"{name} is {list(content[name].shape)} of {content[name].dtype}")
    arrays = {name: content[name] for name in ARRAYS}
    return KeptFeatures(Features(pack=pack, names=content["names"].tolist(), **arrays), content["sha256"].tolist())
