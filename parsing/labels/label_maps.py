"""Maps -> labels: from PifPaf's 36 confidence maps to one part index a cell (Section 3.1.2).

Cell (i, j) of the label grid is the 4x4 block of input pixels whose centre is (4j + 1.5, 4i + 1.5). Map cell v lies
on pixel stride · v of the padded input. With M_c(u) the map of channel c interpolated bilinearly at u:

    C_k(u) = max over c in channels(k) of M_c(u) · G_c(u) · own(u)     confidence of part k
    label(u) = argmax_k C_k(u) where max_k C_k(u) >= threshold, else 0 = background

G = own = 1 for `plain` labels, which are the paper's. PifPaf's fields are wider than limbs, and they also answer to a
second person: so for `gated` ones G_c(u) = near_c(u), which falls with the distance from where the target's skeleton
has keypoint or connection c (see `limbs`), and

    own(u) = min(1, (max_c drawn_c(u) + SLACK) / (max over other people and c of drawn_c(u) + SLACK))

takes from the target what lies on the bodies of passers-by rather than on its own. Fields follow limbs, and leave the
torso hollow: M_c · G_c is at least trunk_c(u), what shoulders and hips enclose. `limbs` labels put drawn_c(u), the limb
itself weighted by the skeleton's confidence, in the place of M_c · G_c for each c that the decoder found. Where it
found no person, often because little of the target shows, there is nothing to gate by or to rasterise along, and all
kinds are alike. A silhouette of the target, where there is one, is a further factor (see `silhouettes`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from parsing.grids import BLOCK, nearest_weights, padding
from parsing.labels import limbs
from parsing.schemes import UNKNOWN, PartScheme

SLACK = 0.05  # of own: far from every person it is 1, as on the target
NOBODY = np.zeros((0, 17, 3), np.float32)


@dataclass(frozen=True)
class MaskMaker:
    """Makes the labels of images of one size under one scheme.

    `input_size` (height, width) pixels, `stride` pixels between map cells, `map_grid` (h, w) of the maps; `kind` is
    plain, gated or limbs.
    """

    scheme: PartScheme
    input_size: tuple[int, int]
    stride: int
    map_grid: tuple[int, int]
    threshold: float
    kind: str = "plain"
    interpolation: str = "bilinear"

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the label maps."""
        return self.input_size[0] // BLOCK, self.input_size[1] // BLOCK

    def confidences(
        self,
        maps: np.ndarray,
        person: np.ndarray | None = None,
        others: np.ndarray = NOBODY,
        silhouette: np.ndarray | None = None,
    ) -> np.ndarray:
        """C [K, h, w] uint8 of `maps` [36, *map_grid] uint8.

        `person` [17, 3] is the target's skeleton, `others` [O, 17, 3] are those of passers-by, `silhouette` [h, w] in
        0..1 is what the target covers.
        """
        rows, columns = self._interpolation
        fine = rows @ maps.astype(np.float32) @ columns.T
        if self.kind != "plain" and person is not None:
            fine = self._of_target(fine, person, others)
        parts = np.stack([fine[list(channels)].max(0) for channels in self.scheme.channels])
        if silhouette is not None:
            parts *= silhouette
        return np.rint(parts).clip(0, 255).astype(np.uint8)

    def _of_target(self, fine: np.ndarray, person: np.ndarray, others: np.ndarray) -> np.ndarray:
        fine = fine * self._on_grid(limbs.near(person, self._centres, self.input_size))
        if self.kind == "limbs":
            fine = np.where(limbs.found(person)[:, None, None], 0, fine)
        shown = self._drawn(person) if self.kind == "limbs" else limbs.trunk(person, self._centres, self.input_size)
        fine = np.maximum(fine, 255 * self._on_grid(shown))
        if len(others):
            theirs = np.max([self._drawn(other).max(0) for other in others], 0)
            own = np.minimum(1, (self._drawn(person).max(0) + SLACK) / (theirs + SLACK))
            fine = fine * self._on_grid(own)
        return fine

    def _drawn(self, person: np.ndarray) -> np.ndarray:
        return limbs.drawn(person, self._centres, self.input_size)

    def labels(self, confidences: np.ndarray) -> np.ndarray:
        """Label map [h, w] uint8 of grouped confidences [K, h, w]; all UNKNOWN if no cell reaches the threshold."""
        visible = confidences.max(0) >= 255 * self.threshold
        if not visible.any():
            return np.full(self.grid, UNKNOWN, np.uint8)
        return np.where(visible, confidences.argmax(0) + 1, 0).astype(np.uint8)

    def _on_grid(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, *self.grid)

    @cached_property
    def _interpolation(self) -> tuple[np.ndarray, np.ndarray]:
        sides = zip(self.input_size, self.map_grid, strict=True)
        if self.interpolation == "nearest":
            return tuple(nearest_weights(size // BLOCK, cells) for size, cells in sides)
        return tuple(_bilinear(size, self.stride, cells) for size, cells in sides)

    @cached_property
    def _centres(self) -> np.ndarray:
        """[h · w, 2] x, y of the cells' centres in pixels."""
        y, x = np.mgrid[: self.grid[0], : self.grid[1]]
        return (BLOCK * np.stack([x, y], -1).reshape(-1, 2) + (BLOCK - 1) / 2).astype(np.float32)


def _bilinear(size: int, stride: int, cells: int) -> np.ndarray:
    """Weights [size / BLOCK, cells] that read a map at the label cells' centres along one axis."""
    where = (BLOCK * np.arange(size // BLOCK) + (BLOCK - 1) / 2 + padding(size)[1]) / stride
    return np.maximum(0, 1 - np.abs(where[:, None] - np.arange(cells))).astype(np.float32)
