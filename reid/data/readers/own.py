"""Readers `names` and `folders`: images of one's own, whose paths say who is seen and by which camera."""

import re
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from reid.config.dataset import Options
from reid.data.readers.files import images_below
from reid.data.readers.found import NO_IDENTITIES, SPLITS, Found, found


def read_names(root: Path, options: Options, name: str) -> list[Found]:
    """What the pattern finds in the paths of all images below the root, without their endings.

    `name` is the dataset's entry in config.yaml. Raises UserError for a path that does not match.
    """
    pattern = re.compile(options.pattern or "")
    images = []
    for key in _images(root, name):
        matched = pattern.fullmatch(_without_ending(key))
        if matched is None:
            raise UserError(
                f"{key!r}: does not match datasets.{name}.options.pattern as a whole ({options.pattern}); fix the "
                "pattern, or move the file out of the dataset"
            )
        images.append(found(key, matched.groupdict(), options, repr(key), name))
    return images


def read_folders(root: Path, options: Options, name: str) -> list[Found]:
    """What the folders of all images below the root say: SPLIT/IDENTITY/…, or IDENTITY/… where splits are to be drawn.

    The pattern, if there is one, finds the camera in the rest of a path, without its ending. `name` is the dataset's
    entry in config.yaml. Raises UserError for an image in no folder, for a rest that does not match, and for folders of
    which some only are called as splits are.
    """
    keys = _images(root, name)
    tops = sorted({key.split("/")[0] for key in keys if "/" in key})
    if not tops:
        raise UserError(f"{root}: its images lie in no folders, and {NO_IDENTITIES}")
    of_splits = [top for top in tops if top.casefold() in SPLITS]
    if of_splits and len(of_splits) < len(tops):
        other = next(top for top in tops if top not in of_splits)
        raise UserError(
            f"{root}: {of_splits[0]!r} is a split, but {other!r} next to it is none of {', '.join(SPLITS)}; rename it, "
            "or move it out of the dataset"
        )
    return [_in_folders(key, bool(of_splits), options, name) for key in keys]


def _in_folders(key: str, with_split: bool, options: Options, name: str) -> Found:
    *folders, rest = key.split("/", 2 if with_split else 1)
    if len(folders) != 1 + with_split:
        raise UserError(f"{key!r}: lies in no folder of an identity; put it into one, or move it out of the dataset")
    said = {"identity": folders[-1], "split": folders[0] if with_split else None}
    if options.pattern:
        matched = re.fullmatch(options.pattern, _without_ending(rest))
        if matched is None:
            raise UserError(
                f"{key!r}: {_without_ending(rest)!r} does not match datasets.{name}.options.pattern as a whole "
                f"({options.pattern}); fix the pattern, or rename the file"
            )
        said["camera"] = matched["camera"]
    return found(key, said, options, repr(key), name)


def _images(root: Path, name: str) -> list[str]:
    if not root.exists():
        raise UserError(f"{root}: is no folder; put the images there, or set datasets.{name}.root in config.yaml")
    return images_below(root)


def _without_ending(key: str) -> str:
    return key.removesuffix(PurePosixPath(key).suffix)
