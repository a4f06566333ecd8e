"""Datasets that ask with occluded images for whole ones: Occluded-ReID, Partial-REID, P-DukeMTMC-reID.

They name no cameras, or none that their protocol uses. As is the custom, occluded images get camera 1 and whole ones
camera 2, so that evaluation leaves no pair out. Identities are the numbers before the first underscore of a name
(`001_01.tif`); images lie in a folder of each identity, or (Partial-REID) side by side.
"""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from reid.data.readers.files import images_below, located
from reid.data.readers.names import Name

OCCLUDED, WHOLE = 1, 2  # cameras by custom
NAME = re.compile(r"(?P<identity>[0-9]{1,9})_.+")


def read_occluded(root: Path, layout: dict[str, tuple[str, int]], wanted: Iterable[str], name: str) -> list[Name]:
    """All images of the `wanted` splits in the folders of `layout`.

    `name` is the dataset's entry in config.yaml. Raises UserError for a missing or empty folder and for a wrong name.
    """
    names = []
    for folder, real in located(root, [folder for folder in layout if layout[folder][0] in wanted], name).items():
        names += [_named(key, *layout[folder]) for key in images_below(root, real)]
    return names


def _named(key: str, split: str, camera: int) -> Name:
    matched = NAME.fullmatch(PurePosixPath(key).name)
    if matched is None:
        raise UserError(f"{key!r}: is not named IDENTITY_… as in 001_01.tif; rename it, or move it out of the dataset")
    return Name(key, split, int(matched["identity"]), camera, matched["identity"], "")
