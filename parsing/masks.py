"""Maps -> labels: from PifPaf's 36 confidence maps to one part index a cell (Section 3.1.2).

Cell (i, j) of the label grid is the 4x4 block of input pixels whose centre is (4j + 1.5, 4i + 1.5). Map cell v lies
on pixel stride · v of the padded input. With M_c(u) the map of channel c interpolated bilinearly at u:

    C_k(u) = max over c in channels(k) of M_c(u) · G_c(u)          confidence of part k
    label(u) = argmax_k C_k(u) where max_k C_k(u) >= threshold, else 0 = background

G = 1 for `plain` labels, which are the paper's. For `gated` ones G_c(u) = exp(-d_c(u)² / 2 r_c²), with d_c the distance
to where the target's skeleton has keypoint or connection c, and r_c a few times the thickness of that limb; where the
decoder did not find c, d_c is the distance to the nearest limb that it did find, and r_c is wide. PifPaf's fields are
wider than limbs, and they also answer to a second person. Where the decoder found nobody, often because little of the
target shows, there is nothing to gate by and G = 1.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from parsing.schemes import CONNECTIONS, UNKNOWN, PartScheme
from parsing.target import person_height, target_index

BLOCK = 4  # input pixels a label cell, in both directions
LIMB, ARM, TORSO, NOT_FOUND = 0.07, 0.045, 0.12, 0.3  # r_c as a share of the person's height
MULTIPLE = 16  # the network's input is padded to a multiple of this, plus one


@dataclass(frozen=True)
class MaskMaker:
    """Makes the labels of images of one size under one scheme.

    `input_size` (height, width) pixels, `stride` pixels between map cells, `map_grid` (h, w) of the maps.
    """

    scheme: PartScheme
    input_size: tuple[int, int]
    stride: int
    map_grid: tuple[int, int]
    threshold: float

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the label maps."""
        return self.input_size[0] // BLOCK, self.input_size[1] // BLOCK

    def confidences(self, maps: np.ndarray, skeletons: np.ndarray | None = None) -> np.ndarray:
        """C [K, h, w] uint8 of `maps` [36, *map_grid] uint8; gated by the target of `skeletons` [S, 17, 3] if given."""
        rows, columns = self._interpolation
        fine = rows @ maps.astype(np.float32) @ columns.T
        if skeletons is not None:
            fine = fine * self.gate(skeletons)
        parts = [fine[list(channels)].max(0) for channels in self.scheme.channels]
        return np.rint(np.stack(parts)).clip(0, 255).astype(np.uint8)

    def labels(self, confidences: np.ndarray) -> np.ndarray:
        """Label map [h, w] uint8 of grouped confidences [K, h, w]; all UNKNOWN if no cell reaches the threshold."""
        visible = confidences.max(0) >= 255 * self.threshold
        if not visible.any():
            return np.full(self.grid, UNKNOWN, np.uint8)
        return np.where(visible, confidences.argmax(0) + 1, 0).astype(np.uint8)

    def gate(self, skeletons: np.ndarray) -> np.ndarray:
        """G [36, h, w] in 0..1 around the keypoints and connections of the target; 1 if nobody was found."""
        target = target_index(skeletons)
        if target is None:
            return np.ones((len(_FIRST), *self.grid), np.float32)
        person = skeletons[target]
        points = person[:, :2] * np.array(self.input_size[::-1], np.float32)
        found = (person[_FIRST, 2] > 0) & (person[_SECOND, 2] > 0)
        squared = _squared_distance(self._centres, points[_FIRST], points[_SECOND])
        squared[~found] = squared[found].min(0)
        reach = np.where(found, _REACH, NOT_FOUND).astype(np.float32) * person_height(person) * self.input_size[0]
        return np.exp(squared / (-2 * reach[:, None] ** 2)).reshape(-1, *self.grid)

    @cached_property
    def _interpolation(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(
            _bilinear(size, self.stride, cells) for size, cells in zip(self.input_size, self.map_grid, strict=True)
        )

    @cached_property
    def _centres(self) -> np.ndarray:
        """[h · w, 2] x, y of the cells' centres in pixels."""
        y, x = np.mgrid[: self.grid[0], : self.grid[1]]
        return (BLOCK * np.stack([x, y], -1).reshape(-1, 2) + (BLOCK - 1) / 2).astype(np.float32)


_FIRST = np.array([*range(17), *(first for first, _ in CONNECTIONS)])  # a keypoint is a segment of no length
_SECOND = np.array([*range(17), *(second for _, second in CONNECTIONS)])
_REACH = np.full(len(_FIRST), LIMB)
_REACH[[7, 8, 9, 10, 25, 26, 27, 28]] = ARM
_REACH[[21, 22, 23, 24]] = TORSO


def _bilinear(size: int, stride: int, cells: int) -> np.ndarray:
    """Weights [size / BLOCK, cells] that read a map at the label cells' centres along one axis."""
    before = (-(size - 1) % MULTIPLE) // 2  # padding
    where = (BLOCK * np.arange(size // BLOCK) + (BLOCK - 1) / 2 + before) / stride
    return np.maximum(0, 1 - np.abs(where[:, None] - np.arange(cells))).astype(np.float32)


def _squared_distance(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Squared distances [C, N] of `points` [N, 2] from the segments `starts` to `ends` [C, 2]."""
    along_x, along_y = (ends - starts).T[..., None]
    length = np.maximum(along_x**2 + along_y**2, 1e-9)
    x, y = points.T[:, None] - starts.T[..., None]
    share = ((x * along_x + y * along_y) / length).clip(0, 1)
    return (x - share * along_x) ** 2 + (y - share * along_y) ** 2
