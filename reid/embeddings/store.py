"""The file `embeddings.h5`: what a trained model makes of query and gallery images, and all that a comparison needs.

Attributes `kind`, `schema`, and as JSON `names` (the E embeddings: global, foreground, then the K parts),
`cells` (height and width of the attention maps), `provenance` and, where the training measured it, `part_attention`
(how strong the attention on parts in view is: `reid.config.report.PartAttention`). Groups `query` and `gallery` hold
the datasets of `FIELDS`. The concatenated embedding is not stored: it is the parts side by side.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from artefacts.errors import UserError
from artefacts.files import is_inside, replacing
from artefacts.hdf5 import (
    claims_fault,
    create_hdf5,
    fixed_texts,
    not_read,
    open_hdf5,
    read_attribute,
    write_attribute,
)
from reid.config.report import PART_ATTENTION, PartAttention

KIND, SCHEMA = "reid embeddings", 2
WRITER = "embed"  # the stage
SPLITS = ("query", "gallery")
HOLISTIC = ("global", "foreground")
RESERVED = ("concatenated", "parts")
CHUNK = 256  # images; features are chunked by embedding too, so that one embedding can be read alone
FIELDS = {
    "features": np.float32,  # [N, E, D]
    "visibility": np.bool_,  # [N, E], v_i of Eq. 4; true for global and foreground
    "score": np.float32,  # [N, E], largest attention, 0..1
    "identity": np.int64,  # [N], 0 = distractor
    "camera": np.int64,  # [N]
    "attention": np.uint8,  # [N, K + 1, h, w], probabilities of Eq. 1 times 255, background first
}


@dataclass(frozen=True)
class Split:
    """Embeddings of N images (all of query or gallery, or a batch of them), with the shapes of `FIELDS`."""

    key: list[str]
    features: np.ndarray
    visibility: np.ndarray
    score: np.ndarray
    identity: np.ndarray
    camera: np.ndarray
    attention: np.ndarray


class Writer:
    """Takes batches one after the other, so that memory holds one batch only."""

    def __init__(self, file: h5py.File, names: list[str], cells: tuple[int, int]):
        self._file, self._names, self._cells = file, names, cells
        self._keys: dict[str, list[str]] = {}

    def append(self, split: str, batch: Split) -> None:
        """Add images at the end of `split` ("query" or "gallery"). Raises ValueError on a wrong shape."""
        group = self._file.require_group(split)
        if not len(group):
            self._create(group, dimension=batch.features.shape[-1])
        keys = self._keys.setdefault(split, [])
        start, stop = len(keys), len(keys) + len(batch.key)
        keys += batch.key
        for name in FIELDS:
            value = getattr(batch, name)
            if np.shape(value) != (len(batch.key), *group[name].shape[1:]):
                raise ValueError(f"{name}: shape {np.shape(value)} does not fit {group[name].shape}")
            group[name].resize(stop, axis=0)
            group[name][start:stop] = value

    def _create(self, group: h5py.Group, dimension: int) -> None:
        embeddings = len(self._names)
        shapes = {"features": (embeddings, dimension), "visibility": (embeddings,), "score": (embeddings,)}
        shapes["attention"] = (embeddings - 1, *self._cells)
        for name, kind in FIELDS.items():
            shape = shapes.get(name, ())
            chunk = {"features": (CHUNK, 1, dimension), "attention": (1, *shape)}.get(name, (CHUNK, *shape))
            compression = {"compression": "gzip", "compression_opts": 1} if name == "attention" else {}
            group.create_dataset(
                name, (0, *shape), kind, maxshape=(None, *shape), chunks=chunk, fletcher32=True, **compression
            )

    def finish(self) -> None:
        """Write the keys, which are as long as the longest of all batches. Raises UserError if a split is missing."""
        for split in SPLITS:
            if split not in self._keys:
                raise UserError(
                    f"{self._file.filename}: no image of split {split!r} to embed; see the manifest's split column"
                )
            keys = fixed_texts(self._keys[split])
            chunk = (max(1, min(CHUNK, len(keys))),)
            self._file[split].create_dataset("key", data=keys, chunks=chunk, fletcher32=True)


@contextmanager
def writing(
    path: Path,
    names: list[str],
    cells: tuple[int, int],
    provenance: dict,
    part_attention: PartAttention | None = None,
) -> Iterator[Writer]:
    """A writer of `path`, which comes into being, whole, when the block ends without an error."""
    _check_names(names)
    with replacing(path) as temporary, create_hdf5(temporary) as file:
        described = {"kind": KIND, "schema": SCHEMA, "names": names, "cells": cells, "provenance": provenance}
        described["part_attention"] = part_attention
        for name, value in described.items():
            write_attribute(file, name, value)
        writer = Writer(file, list(names), cells)
        yield writer
        writer.finish()


def write_embeddings(
    path: Path, names: list[str], query: Split, gallery: Split, cells: tuple[int, int], provenance: dict
) -> None:
    """Write everything at once, where it is in memory anyway."""
    with writing(path, names, cells, provenance) as writer:
        writer.append("query", query)
        writer.append("gallery", gallery)


def _check_names(names: list[str]) -> None:
    if tuple(names[:2]) != HOLISTIC or len(names) < 3 or len(set(names)) < len(names) or set(names) & set(RESERVED):
        raise ValueError(f"embeddings {names} are not global, foreground and at least one part, each once")


class StoredSplit:
    """Query or gallery in the file. `identity`, `camera`, `visibility`, `score` and `key` are read when asked for."""

    def __init__(self, group: h5py.Group):
        self._group = group
        self._datasets = {name: group[name] for name in ("key", *FIELDS)}

    def __len__(self) -> int:
        return len(self._datasets["identity"])

    @property
    def path(self) -> str:
        """The file, for messages."""
        return self._group.file.filename

    @property
    def identity(self) -> np.ndarray:
        return self._read("identity", slice(None))

    @property
    def camera(self) -> np.ndarray:
        return self._read("camera", slice(None))

    @property
    def visibility(self) -> np.ndarray:
        return self._read("visibility", slice(None))

    @property
    def score(self) -> np.ndarray:
        return self._read("score", slice(None))

    @property
    def key(self) -> list[str]:
        return [self._text(key) for key in self._read("key", slice(None))]

    def key_of(self, index: int) -> str:
        """Key of one image. Raises UserError if it leads out of the dataset's folder."""
        key = self._text(self._read("key", index))
        if not is_inside(key):
            raise UserError(f"{self.path}: the key {key!r} leads outside the dataset; run {WRITER} again")
        return key

    def features(self, columns: list[int], start: int = 0, stop: int | None = None) -> np.ndarray:
        """Features [n, len(columns) x D] of the images from `start` to `stop`, the given embeddings side by side."""
        read = [self._read("features", (slice(start, stop), column)) for column in columns]
        return read[0] if len(read) == 1 else np.concatenate(read, axis=1)

    def attention(self, index: int) -> np.ndarray:
        """Attention maps [K + 1, h, w] of one image, 0..1, background first."""
        return self._read("attention", index).astype(np.float32) / 255

    def _text(self, key: bytes) -> str:
        try:
            return key.decode()
        except UnicodeDecodeError:
            raise UserError(f"{self.path}: the key {bytes(key)!r} is no text; run {WRITER} again") from None

    def _read(self, name: str, selection: object) -> np.ndarray:
        try:
            return self._datasets[name][selection]
        except (OSError, RuntimeError) as error:
            raise not_read(Path(self.path), name, error, WRITER) from None


class Joined:
    """Query and gallery as one split, whose images are those of the query and then those of the gallery."""

    def __init__(self, query: StoredSplit, gallery: StoredSplit):
        self._splits, self.path = (query, gallery), query.path

    def __len__(self) -> int:
        return sum(map(len, self._splits))

    def key_of(self, index: int) -> str:
        query, gallery = self._splits
        return query.key_of(index) if index < len(query) else gallery.key_of(index - len(query))

    def features(self, columns: list[int], start: int, stop: int) -> np.ndarray:
        query, gallery = self._splits
        border = len(query)
        if stop <= border:
            return query.features(columns, start, stop)
        if start >= border:
            return gallery.features(columns, start - border, stop - border)
        return np.concatenate([query.features(columns, start, border), gallery.features(columns, 0, stop - border)])


class Embeddings:
    """An open `embeddings.h5`: its attributes, `parts`, and the splits `query` and `gallery`."""

    def __init__(self, file: h5py.File):
        self.names: list[str] = json.loads(read_attribute(file, "names"))
        self.cells: tuple[int, int] = tuple(json.loads(read_attribute(file, "cells")))
        self.provenance: dict = json.loads(read_attribute(file, "provenance"))
        known = json.loads(read_attribute(file, "part_attention")) if "part_attention" in file.attrs else None
        self.part_attention: PartAttention | None = PART_ATTENTION.validate_python(known)
        self.query, self.gallery = StoredSplit(file["query"]), StoredSplit(file["gallery"])

    @property
    def parts(self) -> list[str]:
        return self.names[len(HOLISTIC) :]


@contextmanager
def reading(path: Path) -> Iterator[Embeddings]:
    """The embeddings of `path`. Raises UserError for a file that is missing, truncated, foreign or inconsistent."""
    with open_hdf5(path, WRITER, rdcc_nbytes=0) as file:  # chunks are read whole, and once
        try:
            fault = _fault(file)
            embeddings = None if fault else Embeddings(file)
        except (KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError) as error:
            fault = f"not readable as embeddings ({error})"
        if fault:
            raise UserError(f"{path}: {fault}; run {WRITER} again")
        yield embeddings


def _fault(file: h5py.File) -> str | None:
    """What makes the file unusable, if anything does."""
    if "kind" not in file.attrs or read_attribute(file, "kind") != KIND:
        return "not a file of embeddings"
    schema = read_attribute(file, "schema")
    if schema != SCHEMA:
        return f"schema {schema}, this version reads {SCHEMA}"
    names, cells = json.loads(read_attribute(file, "names")), json.loads(read_attribute(file, "cells"))
    _check_names(names)
    dimensions = {file[split]["features"].shape[-1] for split in SPLITS}
    if len(dimensions) > 1:
        return f"query and gallery features differ in length {sorted(dimensions)}"
    return _split_fault(file["query"], names, cells) or _split_fault(file["gallery"], names, cells)


def _split_fault(group: h5py.Group, names: list[str], cells: list[int]) -> str | None:
    embeddings, dimension = len(names), group["features"].shape[-1]
    shapes = {"features": (embeddings, dimension), "attention": (embeddings - 1, *cells)}
    shapes |= dict.fromkeys(("visibility", "score"), (embeddings,))
    wanted = {"key": (str, ())} | {name: (kind, shapes.get(name, ())) for name, kind in FIELDS.items()}
    attention = {"attention": wanted.pop("attention")}
    return claims_fault(group, len(group["identity"]), wanted, attention)
