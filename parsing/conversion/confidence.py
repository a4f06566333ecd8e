"""Released label files -> maps: PifPaf's 36 confidences of an image, float [36, h, w], in a .npy file of its own."""

from pathlib import Path

import numpy as np

from parsing.config import Interpolation
from parsing.conversion.config import ConfidenceFiles
from parsing.conversion.label_files import Size, UnusableLabels, label_file
from parsing.grids import BLOCK, PIFPAF_STRIDE, grid_of, nearest_weights, reading_weights
from parsing.store import KEYPOINTS, MAPS, SKELETONS

MOST_CELLS = 512  # of a map along each axis: that of an image of 4,096 pixels
OVERSHOOT = 0.1  # beyond [0, 1], as cubic resizing leaves it in released files; clipped


class ConfidenceReader:
    """Maps of any image of a dataset; no skeletons are known, so `gated` labels of them are plain ones.

    `bilinear` brings them to PifPaf's grid of an image of `config.size`. `nearest`, as the released code reads them,
    gives each of the label's cells, BLOCK pixels of that size, the cell of the file that lies there.
    """

    def __init__(self, config: ConfidenceFiles, interpolation: Interpolation = "bilinear") -> None:
        self.config, self._nearest = config, interpolation == "nearest"
        height, width = config.size
        self.grid = (height // BLOCK, width // BLOCK) if self._nearest else grid_of(config.size, PIFPAF_STRIDE)
        self.stride = BLOCK if self._nearest else PIFPAF_STRIDE

    def __call__(self, key: str, size: Size) -> dict:
        """`confidences`, `skeletons` and `status` of an image of `size` (width, height). Raises UnusableLabels."""
        maps = read_maps(label_file(Path(self.config.path), self.config.file, key))
        height, width = maps.shape[1:]
        if height == width and size[1] >= 1.5 * size[0]:  # openpifpaf pads batches so
            raise UnusableLabels(f"its maps are square, but the image is {size[0]} x {size[1]}: it was padded for them")
        rows, columns = self._weights(size[::-1], (height, width))
        confidences = np.rint(255 * (rows @ maps @ columns.T)).astype(np.uint8)
        skeletons = np.zeros((SKELETONS, KEYPOINTS, 3), np.float32)
        return {"confidences": confidences, "skeletons": skeletons, "status": "ok" if confidences.any() else "nobody"}

    def _weights(self, image: tuple[int, int], grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        if self._nearest:
            return tuple(nearest_weights(ours, theirs) for ours, theirs in zip(self.grid, grid, strict=True))
        return reading_weights(image, grid, self.config.size)


def read_maps(path: Path) -> np.ndarray:
    """The maps [36, h, w] float32 in 0..1 of a .npy file. Raises UnusableLabels for any other content.

    The file is mapped, so that neither a pickle nor an archive in it is opened, and a header that promises more than
    the file holds takes no memory.
    """
    try:
        content = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of many types: the file is anything
        raise UnusableLabels(f"{path}: is no array ({' '.join(str(error).split())})") from None
    if not isinstance(content, np.ndarray):
        raise UnusableLabels(f"{path}: is an archive, not one array")
    shape, dtype = content.shape, content.dtype
    if dtype.kind != "f" or len(shape) != 3 or shape[0] != MAPS or not all(2 <= n <= MOST_CELLS for n in shape[1:]):
        raise UnusableLabels(f"{path}: holds {dtype} {list(shape)}, not floats [{MAPS}, h, w]")
    maps = np.asarray(content, np.float32)
    if not np.isfinite(maps).all():
        raise UnusableLabels(f"{path}: holds a value that is no number")
    if maps.min() < -OVERSHOOT or maps.max() > 1 + OVERSHOOT:
        raise UnusableLabels(f"{path}: holds {maps.min():.3g} to {maps.max():.3g}, which are no confidences in 0..1")
    return maps.clip(0, 1)
