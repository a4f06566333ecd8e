"""Inputs that lie within a file of fixed form: the pickle of a torch file, and HDF5 behind its seal."""

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from parsing.integrity import USER_BLOCK

STORAGES = 4  # of each torch file, as many zeros as a storage of any input may ask for
STORED = bytes(4096)


def in_zip(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Reads an input as the pickle of a torch file of this name."""

    def reading_file(content: bytes, folder: Path) -> object:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as file:
            file.writestr("archive/data.pkl", content)
            file.writestr("archive/byteorder", "little")
            file.writestr("archive/version", "3\n")
            for number in range(STORAGES):
                file.writestr(f"archive/data/{number}", STORED)
        return read(folder / name)

    return reading_file


def zeros(*shape: int) -> torch.Tensor:
    """Zeros in a storage of STORED's size: torch refuses a file whose storages have another size than asked for."""
    return torch.zeros(len(STORED) // 4)[: math.prod(shape)].view(shape)


def pickle_of(content: object) -> bytes:
    """The pickle in what torch saves."""
    saved = io.BytesIO()
    torch.save(content, saved)
    with zipfile.ZipFile(saved) as file:
        (name,) = (name for name in file.namelist() if name.endswith("data.pkl"))
        return file.read(name)


def released_pickle() -> bytes:
    """That of a checkpoint with the parameters that every one has, and scores."""
    weights = {
        "pixel_classifier.classifier.weight": zeros(9, 4, 1, 1),
        "global_identity_classifier.classifier.weight": zeros(11, 4),
    }
    scores = {"rank1": np.float32(0.75), "mAP": np.float64(0.5), "epoch": 120}
    settings = {"model": {"bpbreid": {"masks": {"preprocess": "eight"}}}}
    return pickle_of({"state_dict": weights, "config": settings, **scores})


def state_pickle() -> bytes:
    """That of a training's state."""
    state = {"model": {"weight": zeros(3, 2)}, "epoch": 3, "numbers": [1, 2.5, None, "text"]}
    return pickle_of({"fingerprint": "digest", "state": state})


def sealed_content(path: Path) -> bytes:
    """What is behind the seal."""
    return path.read_bytes()[USER_BLOCK:]
