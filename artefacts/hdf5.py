"""HDF5 files from elsewhere: what they claim is checked before memory is given for it.

Texts have a fixed length: those of any length lie in heaps, in which a forged file makes the HDF5 library run in
circles.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping

import h5py
import numpy as np

MOST = 2**22  # numbers of one image in one dataset; a chunk that claims more could fill the memory

# Type of each dataset and the shape that an image has in it; None = any length.
Wanted = Mapping[str, tuple[object, tuple[int | None, ...]]]


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
