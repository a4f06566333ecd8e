"""What is known of rendered people: where their keypoints and body parts are."""

import json
from pathlib import Path

import numpy as np

from artefacts.errors import UserError
from artefacts.hdf5 import open_hdf5

WRITER = "the draw stage"


class Truth:
    """The ground truth of a rendered dataset.

    `keys`; `keypoints` [N, P, 17, 3]: x, y in pixels and 2 seen, 1 hidden, 0 outside, the target first, all 0 = none;
    `part_names` of the indices in part maps. Raises UserError if the file is missing or is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            with open_hdf5(self.path, WRITER) as file:
                self.keys: list[str] = [key.decode() for key in file["key"][:]]
                self.keypoints: np.ndarray = file["keypoints"][:]
                self.part_names: list[str] = json.loads(file.attrs["part_names"])
                self.size: tuple[int, int] = file["parts"].shape[1:]  # height, width of the images in pixels
        except (OSError, KeyError) as error:
            raise UserError(f"{self.path}: holds no ground truth ({error}); run {WRITER} again") from None
        self._rows = {key: row for row, key in enumerate(self.keys)}

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def people(self, key: str) -> np.ndarray:
        """Keypoints [P, 17, 3] of the people in an image: x / width, y / height, visibility; the target first."""
        people = self.keypoints[self._rows[key]].copy()
        people[..., :2] /= self.size[::-1]
        return people[people.any((1, 2))]

    def parts(self, key: str) -> np.ndarray:
        """Fine part of each pixel [H, W] uint8 that shows the target; 0 elsewhere."""
        with open_hdf5(self.path, WRITER) as file:
            return file["parts"][self._rows[key]]
