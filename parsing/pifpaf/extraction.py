"""Images -> fields: PifPaf's maps and skeletons of the images of one shard (Section 3.1.2).

Every image stands for itself: batches are always filled up to their full size, so an image's maps are the same bytes
whichever images share its batch, its shard or its process.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import max_pool2d

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from artefacts.manifest import Source
from parsing.config import Checkpoint, MaskNetwork, Precision
from parsing.pifpaf import network as pifpaf
from parsing.pifpaf.checkpoints import load_network
from parsing.pifpaf.inference import make_ready
from parsing.pifpaf.maskrcnn import load_mask_network, silhouettes
from parsing.store import KEYPOINTS, SKELETONS

SMALLEST = 16  # pixels; a side shorter than this shows no body parts
DECIMALS = 5  # kept of skeletons: a thousandth of a pixel
NOISE, FAINT = 4, 64  # of 255; confidences are lowered by the first where nothing around them reaches the second


@dataclass(frozen=True)
class ExtractionJob:
    """What a process needs to know before it can work: where images lie, which networks, at which size, and how."""

    root: Path
    checkpoint: Path
    network: Checkpoint
    batch_size: int
    precision: Precision = "float32"
    silhouettes: MaskNetwork | None = None


def batches_of(sources: list[Source], length: int) -> list[list[Source]]:
    """The sources in their order, `length` at a time."""
    return [sources[start : start + length] for start in range(0, len(sources), length)]


def find_fields(sources: list[Source], finder: "FieldExtractor") -> Iterator[dict]:
    """Rows of a fields file (see `store.write_fields`), in the order of `sources`."""
    return chain.from_iterable(map(finder, batches_of(sources, finder.job.batch_size)))


class FieldExtractor:
    """A network and its decoder in one process, on one thread or on the GPU: batches of sources -> rows.

    `stride` pixels between map cells, `grid` (h, w) of the maps. Raises UserError for an unfit checkpoint.
    """

    def __init__(self, job: ExtractionJob) -> None:
        torch.set_num_threads(1)  # several processes of one thread beat one process of several threads
        self.job = job
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._loaded = load_network(job.checkpoint, job.network.sha256)
        self.stride = pifpaf.network_stride(self._loaded)
        self.grid = pifpaf.map_grid(job.network.size, self.stride)

    @cached_property
    def network(self) -> nn.Module:
        """Ready to compute, once there is something to compute."""
        return make_ready(self._loaded, self.job.precision, self.device)

    @cached_property
    def mask_network(self) -> nn.Module:
        """Mask R-CNN, where it is wanted."""
        return load_mask_network(self.job.silhouettes, self.device)

    def __call__(self, batch: list[Source]) -> list[dict]:
        """Rows of at most `batch_size` images."""
        loaded = [load(self.job.root, source, self.job.network.size) for source in batch]
        pixels = np.zeros((self.job.batch_size, *self.job.network.size, 3), np.uint8)
        for place, (_, image) in enumerate(loaded):
            if image is not None:
                pixels[place] = image
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        cif, caf = pifpaf.fields(self.network, images)
        maps = without_noise(pifpaf.confidences(cif, caf) * 255).round().byte().cpu().numpy()
        cif, caf = cif.cpu(), caf.cpu()
        rows = [
            row | self._found(image is not None, maps[place], cif[place], caf[place])
            for place, (row, image) in enumerate(loaded)
        ]
        if self.job.silhouettes:
            covered = silhouettes(self.mask_network, images.float() / 255)
            rows = [row | {"silhouettes": covered[place]} for place, row in enumerate(rows)]
        return rows

    def _found(self, readable: bool, maps: np.ndarray, cif: torch.Tensor, caf: torch.Tensor) -> dict:
        skeletons = np.zeros((SKELETONS, KEYPOINTS, 3), np.float32)
        if not readable:
            return {"confidences": np.zeros_like(maps), "skeletons": skeletons}
        people = relative(pifpaf.decode(self.network, cif, caf), self.job.network.size)
        skeletons[: len(people)] = people[:SKELETONS]
        status = ("nobody", "ok", "several")[min(len(people), 2)]
        return {"confidences": maps, "skeletons": skeletons, "status": status}


def load(root: Path, source: Source, size: tuple[int, int]) -> tuple[dict, np.ndarray | None]:
    """What is known of an image before the network sees it, and its pixels [H, W, 3] at `size`, or None.

    Raises UserError if the file is no longer the one that the manifest lists.
    """
    row = {"key": source.key, "status": "unreadable", "problem": "", "size": (0, 0), "sha256": ""}
    try:
        content = (root / source.key).read_bytes()
        row["sha256"] = hashlib.sha256(content).hexdigest()
        image = read_rgb(content)
    except FileNotFoundError:
        return row | {"problem": "no such file"}, None
    except (UnreadableImage, OSError) as error:
        return row | {"problem": str(error)}, None
    if row["sha256"] != source.sha256:
        raise UserError(f"{root / source.key}: has changed since the manifest was made; run the manifest stage again")
    row["size"] = image.size
    if min(image.size) < SMALLEST:
        return row | {"status": "too_small", "problem": f"a side is shorter than {SMALLEST} pixels"}, None
    return row, np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))


def relative(people: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Decoded people [P, 17, 3], in pixels of the padded input, with x / width and y / height; 0, 0, 0 = not found."""
    left, top = pifpaf.padding_offset(size)
    points = (people[..., :2] - (left, top)) / size[::-1]
    found = people[..., 2:] > 0
    return np.where(found, np.concatenate([points, people[..., 2:]], -1), 0).round(DECIMALS).astype(np.float32)


def without_noise(maps: torch.Tensor) -> torch.Tensor:
    """Maps [N, 36, h, w] of 0..255 less NOISE, but not below 0, where a cell and its neighbours are faint.

    A network's doubts about empty cells make up two fifths of a compressed map and are of no use. Labels stay what they
    were for every threshold above FAINT / 255 = 0.251: where a cell was lowered, all four cells of any interpolation
    that reads it are below FAINT, before and after. A part's confidence falls by NOISE / 255 at most, and only below
    FAINT. The step is continuous (all of NOISE under half of FAINT, nothing from FAINT on), so that what differs by a
    rounding error differs by no more afterwards.
    """
    around = max_pool2d(maps, 3, stride=1, padding=1)
    return (maps - NOISE * (2 - around * 2 / FAINT).clamp(0, 1)).clamp(min=0)
