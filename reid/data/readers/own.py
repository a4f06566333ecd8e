"""Readers `names` and `folders`: images of one's own, whose paths say who is seen and by which camera."""

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from artefacts.errors import UserError
from reid.config.dataset import Options
from reid.data.readers.files import SUFFIXES, images_below

SPLITS = {
    "train": "train", "bounding_box_train": "train", "query": "query", "gallery": "gallery",
    "bounding_box_test": "gallery", "test": "test",
}  # fmt: skip
WORDS = "train, query, gallery or test (divided into query and gallery)"


class Found(NamedTuple):
    """What is known of an image before splits are drawn and names become numbers."""

    key: str
    split: str | None  # of SPLITS, "test" = query or gallery; None = any of them
    identity: str | None  # None = distractor
    camera: str | None  # None = unknown


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
                f"{key!r}: does not match datasets.{name}.options.pattern as a whole ({options.pattern}); mend the "
                "pattern, or move the file out of the dataset"
            )
        images.append(_found(key, matched.groupdict(), options.distractor_identity))
    return images


def read_folders(root: Path, options: Options, name: str) -> list[Found]:
    """What the folders of all images below the root say: SPLIT/IDENTITY/…, or IDENTITY/… where splits are to be drawn.

    The pattern, if there is one, finds the camera in the rest of a path, without its ending. `name` is the dataset's
    entry in config.yaml. Raises UserError for an image in no folder and for a rest that does not match.
    """
    keys = _images(root, name)
    tops = {key.split("/")[0] for key in keys if "/" in key}
    with_split = bool(tops) and all(top.casefold() in SPLITS for top in tops)
    return [_in_folders(key, with_split, options, name) for key in keys]


def _in_folders(key: str, with_split: bool, options: Options, name: str) -> Found:
    *folders, rest = key.split("/", 2 if with_split else 1)
    if len(folders) != 1 + with_split:
        raise UserError(f"{key!r}: lies in no folder of an identity; put it into one, or move it out of the dataset")
    groups = {"identity": folders[-1], "split": folders[0] if with_split else None}
    if options.pattern:
        matched = re.fullmatch(options.pattern, _without_ending(rest))
        if matched is None:
            raise UserError(
                f"{key!r}: {_without_ending(rest)!r} does not match datasets.{name}.options.pattern as a whole "
                f"({options.pattern}); mend the pattern, or rename the file"
            )
        groups["camera"] = matched["camera"]
    return _found(key, groups, options.distractor_identity)


def _images(root: Path, name: str) -> list[str]:
    if not root.is_dir():
        raise UserError(f"{root}: is no folder; put the images there, or set datasets.{name}.root in config.yaml")
    keys = images_below(root)
    if not keys:
        raise UserError(f"{root}: holds no image ({', '.join(SUFFIXES)}); put the images there")
    return keys


def _without_ending(key: str) -> str:
    return key.removesuffix(PurePosixPath(key).suffix)


def _found(key: str, groups: dict[str, str | None], distractor: str | None) -> Found:
    identity, split = groups["identity"], groups.get("split")
    if not identity:
        raise UserError(f"{key!r}: its identity is empty; mend the pattern, or rename the file")
    return Found(key, split_of(split, repr(key)), None if identity == distractor else identity, groups.get("camera"))


def split_of(word: str | None, where: str) -> str | None:
    """The split that a word means; None where there is none. Raises UserError, naming `where`, for another word."""
    if not word:
        return None
    if word.casefold() not in SPLITS:
        raise UserError(f"{where}: the split {word!r} is not {WORDS}; correct it, or leave the splits out altogether")
    return SPLITS[word.casefold()]
