"""Images of a human parser -> part labels: one number a pixel, whatever the parser calls its classes."""

from pathlib import Path

import numpy as np

from artefacts.images import UnreadableImage, read_numbers
from parsing.conversion.config import Parser, PartFiles
from parsing.conversion.label_files import Size, UnusableLabels, label_file
from parsing.grids import BLOCK, PIFPAF_STRIDE, grid_of
from parsing.schemes import BACKGROUND, TRUTH_CHANNELS, UNKNOWN, PartScheme
from parsing.store import KEYPOINTS, MAPS, SKELETONS

_SIDES = {part: (f"left_{part}", f"right_{part}") for part in ("upper_arm", "lower_arm", "thigh", "shin", "foot")}
# The body's finest parts, those of the synthetic truth, that each name of `conversion_config.BodyPart` stands for.
FINE_PARTS = {
    **{name: (name,) for name in TRUTH_CHANNELS},
    "left_arm": ("left_upper_arm", "left_lower_arm"), "right_arm": ("right_upper_arm", "right_lower_arm"),
    "left_leg": ("left_thigh", "left_shin"), "right_leg": ("right_thigh", "right_shin"),
    "upper_arms": _SIDES["upper_arm"], "lower_arms": _SIDES["lower_arm"],
    "arms": _SIDES["upper_arm"] + _SIDES["lower_arm"],
    "thighs": _SIDES["thigh"], "shins": _SIDES["shin"], "legs": _SIDES["thigh"] + _SIDES["shin"],
    "feet": _SIDES["foot"],
}  # fmt: skip


class PartReader:
    """Part numbers of any image of a dataset."""

    stride = PIFPAF_STRIDE

    def __init__(self, config: PartFiles, parser: Parser) -> None:
        self.config, self.parser = config, parser
        self.grid = grid_of(config.size, PIFPAF_STRIDE)
        self._named = np.isin(np.arange(256), [index for indices in parser.values() for index in indices])
        self._empty = np.isin(np.arange(256), [*parser.get("background", []), *parser.get("unknown", [])])

    def __call__(self, key: str, size: Size) -> dict:
        """What a fields file says of an image: a status, and no maps or skeletons. Raises UnusableLabels."""
        empty = self._empty[self.numbers(key)].all()
        return {
            "confidences": np.zeros((MAPS, *self.grid), np.uint8),
            "skeletons": np.zeros((SKELETONS, KEYPOINTS, 3), np.float32),
            "status": "nobody" if empty else "ok",
        }

    def numbers(self, key: str) -> np.ndarray:
        """Part numbers [H, W] uint8 of an image. Raises UnusableLabels if there are none, or one without a name."""
        path = label_file(Path(self.config.path), self.config.file, key)
        try:
            numbers = read_numbers(path)
        except UnreadableImage as error:
            raise UnusableLabels(f"{path}: {error}") from None
        if not self._named[numbers].all():
            number = int(numbers[~self._named[numbers]][0])
            raise UnusableLabels(f"{path}: has the number {number}, which parsers.{self.config.parser} does not name")
        return numbers


def label_of_numbers(parser: Parser, scheme: PartScheme) -> np.ndarray:
    """Label under `scheme` of each of a parser's numbers [256] uint8; UNKNOWN where they do not tell.

    That is so for trousers in a scheme that sets left and right legs apart: what covers parts with several labels says
    nothing about any of them.
    """
    labels = np.full(256, UNKNOWN, np.uint8)
    for name, numbers in parser.items():
        if name == "background":
            labels[numbers] = BACKGROUND
        elif name != "unknown":
            covered = {scheme.part_of_channel(TRUTH_CHANNELS[fine]) for fine in FINE_PARTS[name]}
            labels[numbers] = covered.pop() if len(covered) == 1 else UNKNOWN
    return labels


def majority_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Label map [size / BLOCK] uint8: the commonest of the labels [H, W] of each block; of equals the smallest.

    `labels` are brought to a multiple of the map's cells first, at least as fine as they are, by taking the nearest.
    A map without any part is all UNKNOWN, as other labels of images in which no person was found.
    """
    cells = [length // BLOCK for length in size]
    finer = max(-(-pixels // cell) for pixels, cell in zip(labels.shape, cells, strict=True))
    rows, columns = (
        ((np.arange(cell * finer) + 0.5) * pixels / (cell * finer)).astype(int)
        for pixels, cell in zip(labels.shape, cells, strict=True)
    )
    blocks = labels[np.ix_(rows, columns)].reshape(cells[0], finer, cells[1], finer)
    values = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).astype(np.uint8)
    counts = np.stack([(blocks == value).sum((1, 3)) for value in values])
    common = values[counts.argmax(0)]
    return common if np.isin(common, (BACKGROUND, UNKNOWN), invert=True).any() else np.full_like(common, UNKNOWN)


def one_hot(labels: np.ndarray, parts: int) -> np.ndarray:
    """Confidences [K, h, w] uint8 of a label map: 255 where a part is, 0 elsewhere."""
    return 255 * (labels == np.arange(1, parts + 1)[:, None, None]).astype(np.uint8)
