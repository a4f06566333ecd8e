"""COCO keypoints of any pose estimator -> skeletons and maps of an image."""

from pathlib import Path

import numpy as np

from parsing.conversion.coco_files import PeopleByImage, read_document
from parsing.conversion.config import KeypointFiles
from parsing.conversion.label_files import Size, UnusableLabels, label_file
from parsing.conversion.limb_maps import STRIDE, draw_people
from parsing.grids import grid_of
from parsing.store import KEYPOINTS, SKELETONS

PERSON = 1  # COCO's category
SEEN = 2  # COCO's flag; 1 = hidden, 0 = not in the image


class KeypointReader:
    """Skeletons and maps of any of the images `keys`.

    Raises UserError if one file is for all of them and it cannot be used; see `PeopleByImage`.
    """

    stride = STRIDE

    def __init__(self, config: KeypointFiles, keys: list[str]) -> None:
        self.config, self.grid = config, grid_of(config.size, STRIDE)
        self._people = None if config.file else PeopleByImage(config, keys)

    def __call__(self, key: str, size: Size) -> dict:
        """`confidences`, `skeletons` and `status` of an image of `size` (width, height). Raises UnusableLabels."""
        people = read_people(*self._entries(key, size), size)
        skeletons = np.zeros((SKELETONS, KEYPOINTS, 3), np.float32)
        skeletons[: len(people)] = people[:SKELETONS] / (*size, 1)
        maps = draw_people(people, size[::-1], self.config.size)
        return {"confidences": maps, "skeletons": skeletons, "status": ("nobody", "ok", "several")[min(len(people), 2)]}

    def _entries(self, key: str, size: Size) -> tuple[list[dict], bool]:
        """People of an image as the file has them, and whether visibility flags stand behind x and y."""
        if self._people:
            entries, annotated = self._people.of(key, size), self._people.has_annotations
        else:
            try:
                document = read_document(label_file(Path(self.config.path), self.config.file, key))
            except ValueError as error:
                raise UnusableLabels(str(error)) from None
            entries, annotated = document.people, document.images is not None
        return entries, annotated if self.config.third is None else self.config.third == "visibility"


def read_people(entries: list[dict], flagged: bool, size: Size) -> np.ndarray:
    """People [P, 17, 3] (pixels, confidence; 0, 0, 0 = not found) of COCO entries, by falling score.

    Without scores they are sorted by the sum of their keypoints' confidences. Other categories, crowds and people
    without keypoints are left out. `flagged`: visibility flags stand for confidences; hidden keypoints are not found.
    Raises UnusableLabels if keypoints are no such numbers, or all of them lie outside the image of `size`.
    """
    persons = [entry for entry in entries if entry.get("category_id", PERSON) == PERSON and not entry.get("iscrowd")]
    scores = [entry.get("score") for entry in persons]
    people = np.array([_keypoints(entry.get("keypoints"), flagged) for entry in persons]).reshape(-1, KEYPOINTS, 3)
    inside = ((people[..., :2] >= 0) & (people[..., :2] < size)).all(-1) & (people[..., 2] > 0)
    if people.any() and not inside.any():
        raise UnusableLabels(f"its keypoints lie outside its {size[0]} x {size[1]} pixels; are they the scene's?")
    far = (np.abs(people[..., :2] - np.array(size) / 2) > 1.5 * np.array(size)).any(-1)  # no limb leads there
    people[far] = 0
    numbers = all(isinstance(score, int | float) for score in scores)
    order = np.argsort([-score for score in scores] if numbers else -people[..., 2].sum(1), kind="stable")
    return people[[row for row in order if people[row].any()]]


def _keypoints(values: object, flagged: bool) -> np.ndarray:
    """Keypoints [17, 3] of one entry, flat or nested, with or without a third number each."""
    try:
        numbers = np.array(values, np.float64).reshape(KEYPOINTS, -1)
    except (ValueError, TypeError):
        numbers = np.zeros((0, 0))
    if numbers.shape[-1] not in (2, 3):
        raise UnusableLabels(f"its keypoints are not {KEYPOINTS} x 2 or {KEYPOINTS} x 3 numbers")
    if not np.isfinite(numbers).all():
        raise UnusableLabels("a keypoint of it holds a value that is no number")
    points, third = numbers[:, :2], numbers[:, 2] if numbers.shape[1] == 3 else numbers.any(1).astype(float)
    if flagged and not np.isin(third, (0, 1, SEEN)).all():
        raise UnusableLabels("a keypoint's visibility is not 0, 1 or 2; for scores set labels_from.third to score")
    if not flagged and (third.min() < 0 or third.max() > 1):
        raise UnusableLabels("a keypoint's score is not in 0..1; for COCO's flags set labels_from.third to visibility")
    confidence = (third == SEEN).astype(float) if flagged and numbers.shape[1] == 3 else third
    return np.where(confidence[:, None] > 0, np.concatenate([points, confidence[:, None]], 1), 0)
