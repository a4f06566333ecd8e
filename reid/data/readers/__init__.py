"""Readers: from a dataset's folder to the split, identity and camera of every image, chosen by name.

Published layouts are the modules of `layouts`; one's own images have the readers names, folders and table.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from artefacts.errors import UserError
from artefacts.manifest import DISTRACTOR
from reid.config.dataset import OWN, Division, ImageFolder
from reid.data.readers import layouts
from reid.data.readers.division import divided
from reid.data.readers.found import Found
from reid.data.readers.names import JUNK, Name, numbered
from reid.data.readers.own import read_folders, read_names
from reid.data.readers.table import read_table


def read_folder(folder: ImageFolder, wanted: Sequence[str], name: str) -> list[Name]:
    """All images of the `wanted` splits that a dataset's folder holds, junk (identity -1) included.

    `name` is the dataset's entry in config.yaml. Raises UserError for what is missing, misnamed or leads outside.
    """
    if folder.reader in OWN:
        return _read_own(folder, wanted, name)
    layout = import_module(f"{layouts.__name__}.{folder.reader}")
    return layout.read(Path(folder.root), wanted, folder.options, name)


def _read_own(folder: ImageFolder, wanted: Sequence[str], name: str) -> list[Name]:
    root, options = Path(folder.root), folder.options
    if folder.reader == "table":
        images = read_table(options, name)
    else:
        images = (read_names if folder.reader == "names" else read_folders)(root, options, name)
    junk = [Name(image.key, "", JUNK, 0, "", "") for image in images if image.junk]
    others = [image for image in images if not image.junk]
    named = _with_numbers(divided(others, folder.split or Division(), trains="train" in wanted))
    return [*junk, *(one for one in named if one.split in wanted)]


def _with_numbers(images: Iterable[Found]) -> list[Name]:
    """Names as numbers. Where no camera is known, queries get camera 1 and all others camera 2, so that none is equal.

    Raises UserError where some images have a camera and others have none.
    """
    images = list(images)
    unknown = [image for image in images if image.camera is None]
    if unknown and len(unknown) < len(images):
        raise UserError(f"{unknown[0].key!r}: has no camera, but others have; give every image one, or none")
    people = numbered((image.identity for image in images if image.identity is not None), least=DISTRACTOR + 1)
    cameras = numbered((image.camera for image in images if image.camera is not None), least=0)
    return [
        Name(
            image.key,
            image.split or "",
            DISTRACTOR if image.identity is None else people[image.identity],
            (1 if image.split == "query" else 2) if image.camera is None else cameras[image.camera],
            image.identity or "",
            image.camera or "",
            image.split_name,
        )
        for image in images
    ]
