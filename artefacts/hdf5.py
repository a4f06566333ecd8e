"""HDF5 files from elsewhere: why one cannot be opened, and what they claim, checked before memory is given for it.

Texts have a fixed length: those of any length lie in heaps, in which a forged file makes the HDF5 library run in
circles.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np

from artefacts.errors import UserError
from artefacts.files import NO_LOCKS

MOST = 2**22  # numbers of one image in one dataset; a chunk that claims more could fill the memory

# Type of each dataset and the shape that an image has in it; None = any length.
Wanted = Mapping[str, tuple[object, tuple[int | None, ...]]]


def open_hdf5(path: Path, writer: str, **options: object) -> h5py.File:
    """The file, open for reading. Raises the UserError of `not_open` if it cannot be.

    On a file system without locks HDF5's own locking is left out. It is not needed: a file takes its name when it is
    complete (see `files.replacing`).
    """
    try:
        try:
            return h5py.File(path, "r", **options)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        return h5py.File(path, "r", locking=False, **options)
    except OSError as error:
        raise not_open(Path(path), error, writer) from None


def create_hdf5(path: Path, **options: object) -> h5py.File:
    """A new file, open for writing; without HDF5's locking, which no file system needs for a name of its own."""
    return h5py.File(path, "w", locking=False, **options)


def not_open(path: Path, error: OSError, writer: str) -> UserError:
    """Why a file of the stage `writer` cannot be opened. Only a truncated or damaged one is to be deleted."""
    reason = " ".join(str(error).split())
    if "unable to lock file" in reason:
        why = f"{_holder(path)} holds it open for writing; wait for it or close it, nothing is wrong with the file"
    elif isinstance(error, FileNotFoundError):
        why = f"no such file; run {writer} first"
    elif isinstance(error, IsADirectoryError):
        why = f"is a folder; give the file that {writer} wrote"
    elif isinstance(error, PermissionError):
        why = "permission to read it is denied; ask its owner for it, or use chmod"
    elif error.errno:
        why = f"cannot be read ({os.strerror(error.errno)}); see to its disk and try again"
    else:
        why = _defect(path.stat().st_size, reason, writer)
    return UserError(f"{path}: {why}")


def _defect(size: int, reason: str, writer: str) -> str:
    """What is wrong with a file of so many bytes that the HDF5 library does not take."""
    if "truncated file" in reason or not size:
        return f"is truncated; delete it and run {writer} again"
    if "checksum" in reason:
        return f"is damaged ({reason}); delete it and run {writer} again"
    if "signature not found" in reason:
        return f"is not an HDF5 file; give the file that {writer} wrote"
    return f"HDF5 cannot open it ({reason}); give the file that {writer} wrote"


def not_read(path: Path, what: str, error: OSError | RuntimeError, writer: str) -> UserError:
    """Why `what` of an open file cannot be read: it is damaged, unless the disk says otherwise."""
    if getattr(error, "errno", None):
        return not_open(path, error, writer)
    return UserError(f"{path}: {what} is damaged; delete it and run {writer} again ({' '.join(str(error).split())})")


def _holder(path: Path) -> str:
    """The process that holds a lock on a file, if it runs on this machine (and Linux tells)."""
    status = path.stat()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        process = next(fields[4] for fields in locks if fields[5] == place and fields[3] == "WRITE")
        return f"process {process} ({Path(f'/proc/{process}/comm').read_text().strip()})"
    except (OSError, StopIteration, IndexError):
        return "another program"


def fixed_texts(values: Iterable[str]) -> np.ndarray:
    """Texts [N] as a dataset holds them: UTF-8, all as long as the longest. Read, they are bytes."""
    encoded = [value.encode() for value in values]
    length = max(map(len, encoded), default=0) or 1
    return np.array(encoded, h5py.string_dtype("utf-8", length))


def write_attribute(file: h5py.File, name: str, value: object) -> None:
    """Write an attribute: a number as it is, a text as a text, anything else as JSON."""
    if not isinstance(value, str | int):
        value = json.dumps(value)  # parts keep their order
    file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value


def read_attribute(file: h5py.File, name: str) -> str | int:
    """A number or a text. Raises KeyError where there is none, ValueError where it is of another kind."""
    kind = file.attrs.get_id(name).dtype
    if kind.kind not in "Sbiu" or file.attrs.get_id(name).shape != ():
        raise ValueError(f"its attribute {name} is neither a number nor a text")
    value = file.attrs[name]
    return value.decode() if kind.kind == "S" else int(value)


def claims_fault(group: h5py.Group, images: int, whole: Wanted, by_image: Wanted) -> str | None:
    """What makes the datasets of a group, each with a row for an image, unusable, if anything does.

    Datasets read `whole` must have all bytes that they claim in this file; of those read image by image, one image
    must be of reasonable size. Links to other places or files are refused, and so is what lies in another file.
    """
    size = os.path.getsize(group.file.filename)
    for name, (dtype, shape) in {**whole, **by_image}.items():
        if not isinstance(group.get(name, getlink=True), h5py.HardLink) or not isinstance(group[name], h5py.Dataset):
            return f"{_path(group, name)} is missing, or a link to another place"
        dataset = group[name]
        if dataset.external or dataset.is_virtual:
            return f"{_path(group, name)} lies in another file"
        if fault := _shape_fault(dataset, dtype, (images, *shape)):
            return f"{_path(group, name)} {fault}"
        stored = min(dataset.id.get_storage_size(), size)
        if name in whole and stored < dataset.size * dataset.dtype.itemsize:
            return f"{_path(group, name)} claims shape {dataset.shape} but holds less"
        if name in by_image and max(math.prod(dataset.shape[1:]), math.prod(dataset.chunks or ())) > MOST:
            return f"{_path(group, name)} claims {dataset.shape[1:]} numbers an image, more than anybody needs"
    return None


def _path(group: h5py.Group, name: str) -> str:
    return f"{group.name.rstrip('/')}/{name}"


def _shape_fault(dataset: h5py.Dataset, dtype: object, shape: tuple[int | None, ...]) -> str | None:
    if dtype is str:
        if dataset.dtype.kind != "S":
            return f"holds {dataset.dtype}, expected texts of a fixed length"
    elif dataset.dtype != dtype:
        return f"holds {dataset.dtype}, expected {np.dtype(dtype)}"
    found = dataset.shape
    if found is None or len(found) != len(shape) or not all(map(_fits, found, shape)):
        return f"has shape {found}, expected {tuple('any' if length is None else length for length in shape)}"
    return None


def _fits(found: int, wanted: int | None) -> bool:
    return wanted is None or found == wanted
