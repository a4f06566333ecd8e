"""What every converter asks: which label file belongs to an image, and whether the image is still the manifest's."""

import hashlib
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from artefacts.manifest import Source

Size = tuple[int, int]


class UnusableLabels(Exception):
    """Labels of one image that cannot be used; the message says why. The other images are converted all the same."""


def label_file(folder: Path, template: str, key: str) -> Path:
    """Path of an image's label file; see `conversion_config.FileTemplate`.

    Raises UnusableLabels if there is no such file. Neither keys nor templates can lead outside of the folder.
    """
    image = PurePosixPath(key)
    above = image.parent.parent
    name = template.format(folder=image.parent, folder_above=above, name=image.name, stem=image.stem)
    if not (folder / name).is_file():
        raise UnusableLabels(f"no label file {folder / name}")
    return folder / name


def examine(root: Path, source: Source) -> dict:
    """What a fields file says of an image itself: key, size (width, height) and sha256; or its problem.

    Raises UserError if the file is no longer the one that the manifest lists.
    """
    row = {"key": source.key, "status": "unreadable", "problem": "", "size": (0, 0), "sha256": ""}
    try:
        content = (root / source.key).read_bytes()
        row["sha256"] = hashlib.sha256(content).hexdigest()
        row["size"] = read_rgb(content).size
    except FileNotFoundError:
        return row | {"problem": "no such file"}
    except (UnreadableImage, OSError) as error:
        return row | {"problem": str(error)}
    if row["sha256"] != source.sha256:
        raise UserError(f"{root / source.key}: has changed since the manifest was made; run the manifest stage again")
    return row
