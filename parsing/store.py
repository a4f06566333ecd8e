"""The files of the label stages: one HDF5 file a dataset, one chunk an image, every row found by its image's key.

They are sealed (see `seal`), so that a file that opens is whole.
"""

import itertools
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import hdf5plugin
import numpy as np

from artefacts.errors import UserError
from artefacts.hdf5 import Wanted, claims_fault, fixed_texts, not_read, open_hdf5, read_attribute, write_attribute
from parsing.integrity import FIELDS, LABELS, WRITER, sealed, verify_checksum
from parsing.schemes import CHANNEL_NAMES

STATUSES = ("ok", "nobody", "several", "unreadable", "too_small")
OPTIONAL = ("silhouettes",)
MAPS, SKELETONS, KEYPOINTS = 36, 4, 17  # maps an image; skeletons (and silhouettes) kept of it; keypoints of each


class KeyedFile:
    """Rows of an HDF5 file, found by key. Opened anew in every process, so that data loading workers may share it.

    Raises UserError if the file is missing, is not of the expected schema, is not whole, or claims what it has not.
    """

    schema: str
    whole: Wanted  # datasets that are read at once
    by_image: Wanted

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        verify_checksum(self.path, self.schema)
        self._file, self._process, self._columns = None, None, {}
        try:
            self._begin(self._open())
        except (KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError) as error:
            self.close()
            reason = " ".join(str(error).split())
            raise UserError(f"{self.path}: holds no {self.schema} ({reason}); run {WRITER} again") from None

    def _begin(self, file: h5py.File) -> None:
        """Read what is read once. Raises what h5py and json raise, and ValueError, for a file that is not ours."""
        by_image = {name: wanted for name, wanted in self.by_image.items() if name in file or name not in OPTIONAL}
        if fault := claims_fault(file, len(file["key"]), self.whole, by_image):
            raise ValueError(fault)
        self.keys: list[str] = [key.decode() for key in self._column("key")[:]]
        self.statuses: list[str] = [status.decode() for status in self._column("status")[:]]
        self._rows = {key: row for row, key in enumerate(self.keys)}
        self.provenance: dict = json.loads(self._attribute("provenance"))

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None, "_process": None, "_columns": {}}

    def index(self, key: str) -> int:
        """Row of an image. Raises UserError if the file does not have it."""
        if key not in self._rows:
            raise UserError(f"{self.path}: has no image {key!r}; run the label stages again for this manifest")
        return self._rows[key]

    def status(self, key: str) -> str:
        """One of STATUSES."""
        return self.statuses[self.index(key)]

    def close(self) -> None:
        """Close the file in this process; reading opens it again."""
        if self._file is not None and self._process == os.getpid():
            self._file.close()
        self._file, self._process, self._columns = None, None, {}

    def _open(self) -> h5py.File:
        if self._process != os.getpid():  # a forked worker must not share its parent's handle
            self._file, self._process, self._columns = open_hdf5(self.path, WRITER), os.getpid(), {}
        return self._file

    def _column(self, name: str) -> h5py.Dataset:
        file = self._open()
        if name not in self._columns:  # looking it up costs more than reading a row
            self._columns[name] = file[name]
        return self._columns[name]

    def _attribute(self, name: str) -> str | int:
        return read_attribute(self._open(), name)

    def _row(self, column: str, key: str) -> np.ndarray:
        try:
            return self._column(column)[self.index(key)]
        except (OSError, RuntimeError) as error:
            raise not_read(self.path, f"{column} of {key}", error, WRITER) from None


class FieldFile(KeyedFile):
    """PifPaf's maps of a dataset or of one shard of it."""

    schema = FIELDS
    whole = dict.fromkeys(("key", "status", "problem", "sha256"), (str, ()))
    by_image = {
        "confidences": (np.uint8, (MAPS, None, None)),
        "skeletons": (np.float32, (SKELETONS, KEYPOINTS, 3)),
        "size": (np.int32, (2,)),
        "silhouettes": (np.uint8, (SKELETONS, None, None)),
    }

    def _begin(self, file: h5py.File) -> None:
        super()._begin(file)
        self.stride = int(self._attribute("stride"))  # pixels of the network's input between cells
        self.input_size: tuple[int, int] = tuple(json.loads(self._attribute("input_size")))  # height, width
        self.checkpoint_sha256 = self._attribute("checkpoint_sha256")
        self.grid: tuple[int, int] = self._column("confidences").shape[2:]
        looked_for = "silhouettes" in file
        self.silhouette_grid: tuple[int, int] | None = self._column("silhouettes").shape[2:] if looked_for else None

    def confidences(self, key: str) -> np.ndarray:
        """The 36 maps [36, h, w] uint8: 255 x confidence; cell j lies on pixel `stride` x j of the input."""
        return self._row("confidences", key)

    def skeletons(self, key: str) -> np.ndarray:
        """Decoded people [4, 17, 3] float32, best first: x / width, y / height, confidence (0 = not found)."""
        return self._row("skeletons", key)

    def silhouettes(self, key: str) -> np.ndarray | None:
        """What people cover of each label cell [4, h, w] uint8, 255 = all; None where none were made."""
        return self._row("silhouettes", key) if self.silhouette_grid else None

    def problem(self, key: str) -> str:
        """Why the image could not be labelled; empty if it could."""
        return self._row("problem", key).decode()

    def size(self, key: str) -> tuple[int, int]:
        """(width, height) of the original image in pixels; (0, 0) if it cannot be read."""
        return tuple(int(length) for length in self._row("size", key))

    def digests(self) -> list[str]:
        """SHA-256 of each image file when it was labelled, in the order of `keys`; empty where there was none."""
        return [digest.decode() for digest in self._column("sha256")[:]]

    def row(self, key: str) -> dict:
        """A row for `write_fields`, its maps and skeletons compressed as they lie here: copied in microseconds."""
        texts = {"key": key, "status": self.status(key), "problem": self.problem(key)}
        digest = self._row("sha256", key).decode()
        columns = ["confidences", "skeletons", "size"] + ["silhouettes"] * bool(self.silhouette_grid)
        packed = {name: self._packed(name, key) for name in columns}
        return texts | packed | {"sha256": digest}

    def _packed(self, column: str, key: str) -> "Chunk":
        dataset = self._column(column)
        return Chunk(*dataset.id.read_direct_chunk(_place(dataset, self.index(key))))


class LabelFile(KeyedFile):
    """Part labels of a dataset under one part scheme."""

    schema = LABELS
    whole = {
        **dict.fromkeys(("key", "status"), (str, ())),
        "person": (np.int8, ()),
        "ambiguity": (np.float32, ()),
    }
    by_image = {"labels": (np.uint8, (None, None)), "confidences": (np.uint8, (None, None, None))}

    def _begin(self, file: h5py.File) -> None:
        super()._begin(file)
        self.part_names: list[str] = json.loads(self._attribute("part_names"))  # K names, of labels 1..K
        self.mirrored: list[int] = json.loads(self._attribute("mirrored"))  # K+1: label -> label in the mirror
        self.grid: tuple[int, int] = self._column("labels").shape[1:]
        self._people, self._ambiguities = self._column("person")[:], self._column("ambiguity")[:]
        parts, (images, *_) = len(self.part_names), self._column("labels").shape
        if self._column("confidences").shape != (images, parts, *self.grid) or len(self.mirrored) != parts + 1:
            raise ValueError(f"its maps or mirrors are not those of {parts} parts on {self.grid} cells")

    def label_map(self, key: str) -> np.ndarray:
        """Label of each cell [h, w] uint8: 0 background, 1..K parts, 255 unknown (no person found, or unreadable)."""
        return self._row("labels", key)

    def confidences(self, key: str) -> np.ndarray:
        """Each part's confidence [K, h, w] uint8: 255 x the largest of its maps."""
        return self._row("confidences", key)

    def person(self, key: str) -> int | None:
        """Row of the target among the skeletons of the fields file; None where no person was picked."""
        person = int(self._people[self.index(key)])
        return None if person < 0 else person

    def ambiguity(self, key: str) -> float:
        """How nearly another person was picked, 0..1 (see `target.Target`)."""
        return float(self._ambiguities[self.index(key)])


class Chunk(NamedTuple):
    """An array as it lies in a file: which filters it did not pass, and its bytes."""

    filter_mask: int
    content: bytes


Row = Mapping[str, object]  # one value for each column of a file: a text, or an array or its Chunk of another file


def write_fields(path: Path, grid: tuple[int, int], count: int, rows: Iterable[Row], attributes: dict) -> None:
    """Write `count` rows of `key, status, problem, confidences, skeletons, size, sha256`, in the order of their keys.

    `attributes` holds `provenance` (a dict), `stride`, `input_size` (height, width), `checkpoint_sha256`, and
    `silhouette_grid` (h, w) where rows have `silhouettes`.
    """
    columns = {
        "confidences": ("uint8", (MAPS, *grid)),
        "skeletons": ("float32", (SKELETONS, KEYPOINTS, 3)),
        "size": ("int32", (2,)),
    }
    attributes = attributes | {"channel_names": CHANNEL_NAMES}
    if attributes.get("silhouette_grid"):
        columns["silhouettes"] = ("uint8", (SKELETONS, *attributes["silhouette_grid"]))
    _write(path, FIELDS, columns, ("key", "status", "problem", "sha256"), count, rows, attributes)


def write_labels(
    path: Path, grid: tuple[int, int], part_names: list[str], mirrored: list[int], count: int, rows: Iterable[Row],
    provenance: dict,
) -> None:  # fmt: skip
    """Write `count` rows of `key, status, labels [h, w], confidences [K, h, w]`, in the order of their keys.

    Where skeletons are known a row also has `person` and `ambiguity` (see `target.Target`).
    """
    columns = {"labels": ("uint8", grid), "confidences": ("uint8", (len(part_names), *grid))}
    columns |= {"person": ("int8", ()), "ambiguity": ("float32", ())}
    rows = (row | {"person": _number(row.get("person")), "ambiguity": row.get("ambiguity", 0.0)} for row in rows)
    attributes = {"provenance": provenance, "part_names": part_names, "mirrored": mirrored}
    _write(path, LABELS, columns, ("key", "status"), count, rows, attributes)


def _number(person: int | None) -> int:
    return -1 if person is None else person


def _write(
    path: Path, schema: str, columns: dict, texts: tuple[str, ...], count: int, rows: Iterable[Row], attributes: dict
) -> None:
    with sealed(path, schema) as file:
        datasets = {name: _create(file, name, dtype, (count, *shape)) for name, (dtype, shape) in columns.items()}
        gathered: dict[str, list[str]] = {name: [] for name in texts}
        for row, values in enumerate(rows):
            for name, dataset in datasets.items():
                _put(dataset, row, values[name])
            for name in texts:
                gathered[name].append(values[name])
        _must_be_sorted(path, gathered["key"], count)
        for name, values in gathered.items():
            file.create_dataset(name, data=fixed_texts(values), track_times=False)
        for name, value in attributes.items():
            write_attribute(file, name, value)


def _put(dataset: h5py.Dataset, row: int, value: object) -> None:
    if isinstance(value, Chunk):
        dataset.id.write_direct_chunk(_place(dataset, row), value.content, value.filter_mask)
    else:
        dataset[row] = value


def _place(dataset: h5py.Dataset, row: int) -> tuple[int, ...]:
    return (row, *[0] * (dataset.ndim - 1))


def _create(file: h5py.File, name: str, dtype: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """An empty dataset, compressed, with one image a chunk: 16 images a chunk read 5 times slower at random.

    Single numbers lie in one piece.
    """
    chunked = {"chunks": (1, *shape[1:]), **hdf5plugin.Zstd(clevel=9)} if shape[0] and shape[1:] else {}
    return file.create_dataset(name, shape, dtype, track_times=False, **chunked)


def _must_be_sorted(path: Path, keys: list[str], count: int) -> None:
    if len(keys) != count:
        raise ValueError(f"{path}: {len(keys)} rows given instead of {count}")
    if any(first >= second for first, second in itertools.pairwise(keys)):
        raise ValueError(f"{path}: keys are not sorted, or one comes twice")
