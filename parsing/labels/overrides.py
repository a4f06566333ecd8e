"""Targets that a person named, because the policy picks the wrong one: a CSV with the columns key, x, y."""

import csv
from pathlib import Path

from artefacts.errors import UserError
from parsing.config import TargetPolicy
from parsing.labels.target import Target, nearest, pick
from parsing.store import FieldFile

COLUMNS = ["key", "x", "y"]
Point = tuple[float, float]


class Targets:
    """The target of each image of a fields file: the policy's, but for the images that the CSV `overrides` lists.

    Raises UserError, naming file and image, if that lists an image which the dataset does not have, a point outside
    the image, or a target where no person was found.
    """

    def __init__(self, fields: FieldFile, policy: TargetPolicy, overrides: Path | None = None) -> None:
        self.fields, self.policy = fields, policy
        points = read_overrides(overrides) if overrides else {}
        self._named = {key: self._person_at(f"{overrides}: {key}", key, point) for key, point in points.items()}

    def of(self, key: str) -> Target:
        """What the CSV says, for sure, or the policy's pick."""
        return Target(self._named[key]) if key in self._named else pick(self.fields.skeletons(key), self.policy)

    def dismissed(self, key: str) -> bool:
        """Whether the CSV says that no person found in this image is the target, so that its maps are of no use."""
        return key in self._named and self._named[key] is None

    def _person_at(self, where: str, key: str, point: Point | None) -> int | None:
        if key not in self.fields:
            raise UserError(f"{where}: the dataset has no such image; give its path below the dataset's folder")
        if point is None:
            return None
        size = self.fields.size(key)
        if not all(0 <= value <= length for value, length in zip(point, size, strict=True)):
            raise UserError(f"{where}: ({point[0]:g}, {point[1]:g}) lies outside of this image of {size[0]}x{size[1]}")
        person = nearest(self.fields.skeletons(key), point, size)
        if person is None:
            raise UserError(f"{where}: no person was found in this image; remove the line, or leave x and y empty")
        return person


def read_overrides(path: Path) -> dict[str, Point | None]:
    """A point on the target of each listed image, in pixels of the image; None where no person found is the target.

    Raises UserError, naming file and line, if columns are missing, a number is none, or an image is listed twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); write a CSV with the columns key,x,y") from None
    if not lines or lines[0] != COLUMNS:
        raise UserError(f"{path}: its first line must be key,x,y")
    points: dict[str, Point | None] = {}
    for number, line in enumerate(lines[1:], 2):
        if line:
            key, point = _read(line, f"{path}, line {number}")
            if key in points:
                raise UserError(f"{path}, line {number}: {key} is listed twice; keep one line")
            points[key] = point
    return points


def _read(line: list[str], where: str) -> tuple[str, Point | None]:
    if len(line) != len(COLUMNS):
        raise UserError(f"{where}: has {len(line)} values instead of key, x, y")
    key, x, y = line
    if not x and not y:
        return key, None
    try:
        return key, (float(x), float(y))
    except ValueError:
        raise UserError(f"{where}: {x!r}, {y!r} is no point; give x and y in pixels, or leave both empty") from None
