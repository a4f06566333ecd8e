"""What readers find out about an image, and the numbers that the rest of the workflow calls people and cameras by."""

import re
from collections.abc import Iterable
from typing import NamedTuple

JUNK = -1
LARGEST = 9  # digits of a number that is kept


class Name(NamedTuple):
    """What a dataset says of an image."""

    key: str
    split: str  # of SPLITS
    identity: int  # -1 = junk, 0 = distractor
    camera: int
    identity_name: str  # as the dataset writes it
    camera_name: str  # empty where it knows no cameras
    split_name: str = ""  # the folder's name or the word that was taken for the split, in images of one's own


def numbered(names: Iterable[str], least: int) -> dict[str, int]:
    """The number of every name: what it says where all are different whole numbers from `least`, else its place.

    Places count from 1 in natural order (cam2 before cam10), so that they depend on the names alone.
    """
    ordered = sorted(set(names), key=_natural)
    whole = [name.isascii() and name.isdigit() and len(name) <= LARGEST for name in ordered]
    values = [int(name) for name in ordered] if all(whole) else []
    if len(set(values)) == len(ordered) and all(value >= least for value in values):
        return dict(zip(ordered, values, strict=True))
    return {name: place for place, name in enumerate(ordered, start=1)}


def _natural(name: str) -> tuple:
    pieces = [piece for piece in re.split(r"([0-9]+)", name.casefold()) if piece]
    return [_number(piece) if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces], name


def _number(digits: str) -> tuple[int, int, str]:
    """Sorts before any text, and as the number does, however long it is."""
    significant = digits.lstrip("0")
    return 0, len(significant), significant
