"""Readers: from a dataset's folder to the split, identity and camera of every image. A module each, chosen by name."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from artefacts.errors import UserError
from artefacts.manifest import DISTRACTOR
from reid.config.dataset import ImageFolder, Split
from reid.data.readers.division import divided
from reid.data.readers.found import Found
from reid.data.readers.market1501 import read_market1501
from reid.data.readers.msmt17 import read_msmt17
from reid.data.readers.names import JUNK, Name, numbered
from reid.data.readers.occluded import OCCLUDED_REID, P_DUKEMTMC, partial_reid, read_occluded
from reid.data.readers.own import read_folders, read_names
from reid.data.readers.posetrack import read_occluded_posetrack
from reid.data.readers.table import read_table


def read_folder(folder: ImageFolder, wanted: Sequence[str], name: str) -> list[Name]:
    """All images of the `wanted` splits that a dataset's folder holds, junk (identity -1) included.

    `name` is the dataset's entry in config.yaml. Raises UserError for what is missing, misnamed or leads outside.
    """
    root, options = Path(folder.root), folder.options
    occluded = {"occluded_reid": OCCLUDED_REID, "p_dukemtmc": P_DUKEMTMC, "partial_reid": partial_reid(options.queries)}
    if folder.reader == "market1501":
        return read_market1501(root, wanted, options.distractor_folder, name)
    if folder.reader in occluded:
        return read_occluded(root, occluded[folder.reader], wanted, name)
    if folder.reader == "msmt17":
        return read_msmt17(root, wanted, name)
    if folder.reader == "occluded_posetrack":
        return read_occluded_posetrack(root, wanted, name)
    return _read_own(folder, wanted, name)


def _read_own(folder: ImageFolder, wanted: Sequence[str], name: str) -> list[Name]:
    root, options = Path(folder.root), folder.options
    if folder.reader == "table":
        images = read_table(options, name)
    else:
        images = (read_names if folder.reader == "names" else read_folders)(root, options, name)
    junk = [Name(image.key, "", JUNK, 0, "", "") for image in images if image.junk]
    others = [image for image in images if not image.junk]
    named = _with_numbers(divided(others, folder.split or Split(), trains="train" in wanted))
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
