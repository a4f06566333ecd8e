"""Reader `market1501`: the layout of Market-1501, which DukeMTMC-reID, Occluded-Duke and CUHK03-NP share.

Folders `bounding_box_train`, `query`, `bounding_box_test`, and names that begin with identity and camera, as in
Market-1501 (`0002_c1s1_000451_03.jpg`) and DukeMTMC-reID (`0005_c2_f0046985.jpg`). Identity -1 is junk that no protocol
uses, 0000 marks distractors of the gallery.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from artefacts.manifest import DISTRACTOR
from reid.data.readers.files import images_below, is_image, located
from reid.data.readers.names import Name

FOLDERS = {"bounding_box_train": "train", "query": "query", "bounding_box_test": "gallery"}
NAME = re.compile(r"(?P<identity>-1|[0-9]{1,9})_c(?P<camera>[0-9]{1,4})(s[0-9]+)?([_.-][\w.+@=-]*)?")
PATTERN = "IDENTITY_cCAMERA_… as in 0002_c1s1_000451_03.jpg or 0005_c2_f0046985.jpg"


def read_market1501(root: Path, wanted: Iterable[str], distractors: str | None, name: str) -> list[Name]:
    """All images of the `wanted` splits, and those of the folder of `distractors`, gallery images of no identity.

    `name` is the dataset's entry in config.yaml. Raises UserError for a missing or empty folder and for a wrong name.
    """
    folders = located(root, [folder for folder, split in FOLDERS.items() if split in wanted], name)
    names = [named(key, FOLDERS[folder]) for folder, real in folders.items() for key in images_below(root, real)]
    if distractors:
        names += [_distractor(key) for key in images_below(root, located(root, [distractors], name)[distractors])]
    return names


def named(key: str, split: str) -> Name:
    """What the name of an image says. Raises UserError, naming the pattern, if it does not follow it."""
    matched = NAME.fullmatch(PurePosixPath(key).stem)
    if matched is None:
        raise UserError(f"{key!r}: is not named {PATTERN}; rename it, or move it out of the dataset")
    identity, camera = matched["identity"], matched["camera"]
    return Name(key, split, int(identity), int(camera), identity, camera)


def _distractor(key: str) -> Name:
    """Of distractors only the folder counts: whoever they show, no query asks for them, from whichever camera."""
    matched = NAME.fullmatch(PurePosixPath(key).stem)
    camera = matched["camera"] if matched else "0"
    return Name(key, "gallery", DISTRACTOR, int(camera), "", camera)


def read_index(path: Path) -> dict[str, str]:
    """SHA-256 by key, from a CSV with the columns key, sha256. Raises UserError if it is not such a file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        digests = dict(lines)
    except FileNotFoundError:
        raise UserError(f"{path}: no such list of images; run the draw rule again") from None
    except (ValueError, csv.Error):
        raise UserError(f"{path}: is damaged; delete it and run the draw rule again") from None
    if header != ["key", "sha256"] or not digests:
        raise UserError(f"{path}: must list images under the columns key,sha256; run the draw rule again")
    return digests


def name_of_drawn(key: str) -> Name:
    """What a key `FOLDER/NAME` of the index says. Raises UserError if it follows neither folders nor names."""
    path = PurePosixPath(key)
    if path.parent.name not in FOLDERS or len(path.parts) != 2 or not is_image(key):
        raise UserError(f"{key!r}: is no image in one of the folders {', '.join(FOLDERS)}")
    return named(key, FOLDERS[path.parent.name])
