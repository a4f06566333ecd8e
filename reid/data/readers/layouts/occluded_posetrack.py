"""Reader `occluded_posetrack`: Occluded-PoseTrack-ReID as its authors' code cuts it out of PoseTrack21.

Folder `occluded_posetrack_reid` with the crops `images/{train,val}/VIDEO/PERSON_VIDEO_FRAME.jpg`, where they lie
(`images/anns/{train,val}_reid_crops_anns.json`) and which of them are used (`{train,val}_dataset_sampling.json`), both
pandas tables by the detection's id. Its protocol leaves out no pair, so queries get camera 1 and the gallery camera 2.
All this is read from that code alone: no copy of the crops was at hand to check it with.
"""

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from reid.config.dataset import Options
from reid.data.readers.files import located
from reid.data.readers.names import Name

CAMERAS = {"train": 1, "query": 1, "gallery": 2}  # by custom
HALVES = {"train": ("train",), "val": ("query", "gallery")}
UNUSED = "none"


def read(root: Path, wanted: Iterable[str], options: Options, name: str) -> list[Name]:
    """All crops that the sampling files put into one of the `wanted` splits.

    Raises UserError for a missing folder and a file of another form.
    """
    images = located(root, ["images/anns"], name)["images/anns"].removesuffix("anns")
    names = []
    for half, splits in HALVES.items():
        if set(splits) & set(wanted):
            names += _half(root, images, half, splits)
    return names


def _half(root: Path, images: str, half: str, splits: tuple[str, ...]) -> list[Name]:
    sampling = root / PurePosixPath(images).parent / f"{half}_dataset_sampling.json"
    split_of = _column(sampling, "split")
    crop_of = _column(root / images / "anns" / f"{half}_reid_crops_anns.json", "reid_crop_path")
    wrong = set(split_of.values()) - {*splits, UNUSED}
    if wrong:
        raise UserError(f"{sampling}: has the split {min(map(str, wrong))!r} where {splits} are; download it again")
    used = {detection: split for detection, split in split_of.items() if split != UNUSED}
    missing = [detection for detection in used if not crop_of.get(detection)]
    if missing:
        raise UserError(f"{sampling}: detection {missing[0]} has no crop ({len(missing)}); cut the crops out again")
    return [_named(f"{images}{half}/{crop_of[detection]}", split) for detection, split in used.items()]


def _column(path: Path, column: str) -> dict[str, str]:
    """A column of a table that pandas wrote, by the detection's id."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {str(detection): table[column].get(row) for row, detection in table["id"].items()}
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; docs/datasets.md says how the crops are made") from None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise UserError(f"{path}: is no table with the columns id and {column}; download or make it again") from None


def _named(key: str, split: str) -> Name:
    identity = PurePosixPath(key).name.partition("_")[0]
    if not (identity.isascii() and identity.isdigit()):
        raise UserError(f"{key!r}: is not named PERSON_VIDEO_FRAME.jpg; cut the crops out again")
    return Name(key, split, 1 + int(identity), CAMERAS[split], identity, "")  # 0 would be a distractor
