"""Files of a dataset: which are images, where their folders lie, and that none leads outside the dataset."""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import is_inside

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")
DEPTH = 2  # folders that unpacking may have put around a dataset


def images_below(root: Path, folder: str = "") -> list[str]:
    """Keys of all images in `folder` of the root and its subfolders, sorted; other files are passed over.

    Hidden files are no images: macOS leaves ._NAME.jpg beside copied ones. Raises UserError for a name that cannot be
    printed and for a link to a folder, which could lead anywhere or in circles.
    """
    return sorted(_images(root, folder))


def _images(root: Path, folder: str) -> Iterator[str]:
    for entry in os.scandir(root / folder):
        key = f"{folder}/{entry.name}" if folder else entry.name
        if _is_passed_over(entry.name):
            continue
        if entry.is_dir():
            if entry.is_symlink():
                raise UserError(f"{root / key}: is a link to a folder; put the folder itself there")
            yield from _images(root, key)
        elif entry.name.lower().endswith(SUFFIXES):
            if not key.isprintable():
                raise UserError(f"{str(root / key)!r}: has a name that cannot be written down; rename the file")
            yield key


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def located(root: Path, wanted: Sequence[str], name: str) -> dict[str, str]:
    """Where below the root each `wanted` folder lies: by its published path, the path that it really has.

    Letter case is disregarded, and the dataset may lie up to two folders deeper, as archives do when they are unpacked.
    `name` is the dataset's entry in config.yaml. Raises UserError if a folder is missing, or if there are two copies.
    """
    for depth in range(DEPTH + 1):
        complete = [found for base in _at_depth(root, depth) if len(found := _match(root, base, wanted)) == len(wanted)]
        if len(complete) > 1:
            first, second = (next(iter(found.values())) for found in complete[:2])
            raise UserError(f"{root}: holds two copies, {first} and {second}; set datasets.{name}.root to one of them")
        if complete:
            return complete[0]
    raise UserError(_missing(root, wanted, name))


def _at_depth(root: Path, depth: int) -> list[str]:
    bases = [""]
    for _ in range(depth):
        bases = [f"{base}/{child}".lstrip("/") for base in bases for child in _folders(root / base).values()]
    return bases


def _folders(folder: Path) -> dict[str, str]:
    """Names of the subfolders by their lower-case form."""
    if not folder.is_dir():
        return {}
    names = sorted(entry.name for entry in os.scandir(folder) if not _is_passed_over(entry.name) and entry.is_dir())
    return {name.casefold(): name for name in names}


def _match(root: Path, base: str, wanted: Sequence[str]) -> dict[str, str]:
    """The real path of each wanted folder that `base` has."""
    found = {}
    for path in wanted:
        real: str | None = base
        for part in path.split("/"):
            child = _folders(root / real).get(part.casefold())
            if child is None:
                break
            real = f"{real}/{child}".lstrip("/")
        else:
            found[path] = real
    return found


def _missing(root: Path, wanted: Sequence[str], name: str) -> str:
    bases = list(chain.from_iterable(_at_depth(root, depth) for depth in range(DEPTH + 1)))
    best = max(bases, key=lambda base: len(_match(root, base, wanted)))
    found = _match(root, best, wanted)
    absent = next(path for path in wanted if path not in found)
    where = root / best if found else root
    archives = sorted(path.name for path in root.iterdir() if path.suffix in ARCHIVES) if root.is_dir() else []
    unpack = f"unpack {archives[0]}, or " if archives else ""
    return (
        f"{where}: has no folder {absent!r}; {unpack}put the dataset there, with the folders {', '.join(wanted)}, or "
        f"set datasets.{name}.root in config.yaml (it is yours to obtain, under its own terms; nothing is downloaded)"
    )


def contained(root: Path, key: str) -> Path:
    """The file of a key. Raises UserError if it lies outside `root`, by its name or through a link."""
    path = root / key
    if not is_inside(key) or not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path}: leads outside {root}; put a copy of the image there instead")
    return path
