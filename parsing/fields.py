"""Images -> fields: PifPaf's maps and skeletons of the images of one shard (Section 3.1.2).

Every image stands for itself: batches are always filled up to their full size, so an image's maps are the same bytes
whichever images share its batch, its shard or its process.
"""

import hashlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.fusion import fuse_conv_bn_eval

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from parsing import pifpaf
from parsing.checkpoints import load_network
from parsing.config import Checkpoint
from parsing.sources import Source
from parsing.store import KEYPOINTS, SKELETONS

SMALLEST = 16  # pixels; a side shorter than this shows no body parts
DECIMALS = 5  # kept of skeletons: a thousandth of a pixel


@dataclass(frozen=True)
class Job:
    """What a process needs to know before it can work: where images lie, which network, at which size."""

    root: Path
    checkpoint: Path
    network: Checkpoint
    batch_size: int


def find_fields(sources: list[Source], finder: "Finder", processes: int) -> Iterator[dict]:
    """Rows of a fields file (see `store.write_fields`), in the order of `sources`."""
    length = finder.job.batch_size
    batches = [sources[start : start + length] for start in range(0, len(sources), length)]
    if processes == 1:
        yield from chain.from_iterable(map(finder, batches))
        return
    context = multiprocessing.get_context("spawn")  # a forked process would hang in torch's threads
    with ProcessPoolExecutor(processes, context, _start, (finder.job,)) as pool:
        yield from chain.from_iterable(pool.map(_find, batches))


_finder = None


def _start(job: Job) -> None:
    global _finder
    _finder = Finder(job)


def _find(batch: list[Source]) -> list[dict]:
    return _finder(batch)


class Finder:
    """A network and its decoder in one process, on one thread or on the GPU: batches of sources -> rows.

    `stride` pixels between map cells, `grid` (h, w) of the maps. Raises UserError for an unfit checkpoint.
    """

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(1)  # several processes of one thread beat one process of several threads
        self.job = job
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = load_network(job.checkpoint, job.network.sha256, job.network.source)
        self.stride = pifpaf.network_stride(network)
        self.grid = pifpaf.map_grid(job.network.size, self.stride)
        self.network = fold_batch_norm(network).to(self.device, memory_format=torch.channels_last)

    def __call__(self, batch: list[Source]) -> list[dict]:
        """Rows of at most `batch_size` images."""
        loaded = [load(self.job.root, source, self.job.network.size) for source in batch]
        pixels = np.zeros((self.job.batch_size, *self.job.network.size, 3), np.uint8)
        for place, (_, image) in enumerate(loaded):
            if image is not None:
                pixels[place] = image
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        cif, caf = pifpaf.fields(self.network, images)
        maps = (pifpaf.confidences(cif, caf) * 255).round().byte().cpu().numpy()
        cif, caf = cif.cpu(), caf.cpu()
        return [
            row | self._found(image is not None, maps[place], cif[place], caf[place])
            for place, (row, image) in enumerate(loaded)
        ]

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


def fold_batch_norm(network: torch.nn.Module) -> torch.nn.Module:
    """The network in eval mode with each BatchNorm inside the convolution before it: same function, fewer passes."""
    for module in list(network.modules()):
        if not isinstance(module, torch.nn.Sequential):
            continue
        for place in range(len(module) - 1):
            first, second = module[place], module[place + 1]
            if isinstance(first, torch.nn.Conv2d) and isinstance(second, torch.nn.BatchNorm2d):
                module[place], module[place + 1] = fuse_conv_bn_eval(first, second), torch.nn.Identity()
    return network
