"""Files of a dataset: which are images, where their folders lie, and that none leads outside the dataset."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from artefacts.files import is_inside
from artefacts.folders import HOW_TO_OPEN, Entry, require_listable, subfolders, walk
from artefacts.images import image_endings

ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")
DEPTH = 2  # folders that unpacking may have put around a dataset
ENDING = re.compile(r"\.[a-z0-9]*[a-z][a-z0-9_+-]{,9}")  # not that of img.0001, which each image has anew
NO_FILE = "it is a broken link, a pipe or a device"


def images_below(root: Path, folder: str = "") -> list[str]:
    """Keys of all images in `folder` of the root and its subfolders, sorted; other files are passed over.

    An image is what has an ending that Pillow reads and is not hidden: macOS leaves ._NAME.jpg next to copied ones.
    Raises UserError if there is none, for a name that cannot be printed, for a link to a folder, which could lead
    anywhere, for a folder that cannot be listed and for an image that is no file.
    """
    entries = sorted(walk(root, folder))
    keys = list(_images(root, entries))
    if not keys:
        raise UserError(
            f"{root / folder}: holds no image{_instead(entries)}; put images there ({', '.join(image_endings())})"
        )
    return keys


def is_image(key: str) -> bool:
    """Whether a file's name ends as an image's does."""
    return key.lower().endswith(image_endings())


def _images(root: Path, entries: Sequence[Entry]) -> Iterator[str]:
    for key, kind, _ in entries:
        path = root / key
        if kind == "link":
            raise UserError(f"{path}: is a link to a folder; put the folder itself there, or remove the link")
        if kind == "closed":
            raise UserError(f"{path}: cannot be listed; {HOW_TO_OPEN}, or move it out of the dataset")
        if kind == "hidden" or not is_image(key):
            continue
        if kind == "no_file":
            raise UserError(f"{path}: cannot be opened ({NO_FILE}); put the image there, or remove it")
        if not key.isprintable():
            raise UserError(f"{str(path)!r}: has a name that cannot be written down; rename the file")
        yield key


def _instead(entries: Sequence[Entry]) -> str:
    """What a folder without images holds, to add to a message."""
    count = Counter(ending(key) for key, kind, _ in entries if kind == "file").most_common(3)
    return f", but {', '.join(f'{number:,} {end}' for end, number in count)}" if count else ""


def ending(key: str) -> str:
    """The ending of a file's name in lower case, with its point; what is no ending of a kind of file is `other`."""
    suffix = PurePosixPath(key).suffix.lower()
    return suffix if ENDING.fullmatch(suffix) else "other"


def located(root: Path, wanted: Sequence[str], name: str) -> dict[str, str]:
    """Where below the root each `wanted` folder lies: by its published path, the path that it really has.

    Letter case is disregarded, and the dataset may lie up to two folders deeper, as archives do when they are unpacked.
    `name` is the dataset's entry in config.yaml. Raises UserError if a folder is missing, or if there are two copies.
    """
    if os.path.exists(root):
        require_listable(root)
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
    return {name.casefold(): name for name in subfolders(folder)}


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
    """The file of a key. Raises UserError if it lies outside `root`, by its name or through a link, or is no file."""
    path = root / key
    if not is_inside(key) or not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise UserError(f"{path}: leads outside {root}; put a copy of the image there instead")
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path}: cannot be opened (it is a folder, a pipe or a device); put the image there")
    return path
