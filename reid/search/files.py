"""Images by their paths: files as they are, and all images in folders by the rules of the readers."""

import os
from collections.abc import Sequence
from pathlib import Path

from artefacts.errors import UserError
from reid.data.readers.files import images_below


def images_in(given: Sequence[str | Path]) -> list[str]:
    """Paths of the images that are given and of all in the folders that are given, each once.

    Raises UserError for what is not there, for a folder that holds no image or cannot be listed, and for a name that
    cannot be written down. Whether files can be read as images is found out when they are.
    """
    found: dict[str, None] = {}
    for path in map(Path, given):
        found |= dict.fromkeys(str(path / key) for key in images_below(path)) if os.path.isdir(path) else _one(path)
    return list(found)


def _one(path: Path) -> dict[str, None]:
    if not str(path).isprintable():
        raise UserError(f"{str(path)!r}: has a name that cannot be written down; rename the file")
    if not os.path.exists(path):
        raise UserError(f"{path}: no such image or folder")
    return {str(path): None}
