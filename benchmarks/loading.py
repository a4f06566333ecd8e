"""Training samples a second and worker: our loader against the usual path, in one run on one core.

The reference is what ReID code with part labels usually does (cv2, albumentations, one .npy file of PifPaf's 36 maps an
image, made into part labels anew for every sample), written out here: 36 float channels are resized and cropped with
the image at its size, grouped, and made into K + 1 probabilities. Ours moves an index map that was made beforehand.
Both end with normalised float images and label maps at a quarter of the size, and both are given the same crops.

    pip install albumentations opencv-python-headless
    python benchmarks/loading.py

CPU time; the ratio travels between machines, milliseconds do not. Fails if the ratio is under the target.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate
from torch.nn.functional import interpolate
from torch.utils.data import default_collate

try:
    import albumentations
    import cv2
    from albumentations.pytorch import ToTensorV2
except ImportError:
    sys.exit("the reference path needs: pip install albumentations opencv-python-headless")

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.imagenet import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from artefacts.manifest import ImageRow  # noqa: E402
from benchmarks.datasets.rendered import render, write_random_labels  # noqa: E402
from benchmarks.report import Row, missed, write_report  # noqa: E402
from parsing.store import LabelFile  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Augmentation, Config  # noqa: E402
from reid.data.samples import TrainingSamples, normalised  # noqa: E402

BATCH, SHARE = 64, 16  # samples of a batch; samples that the reference does in its turn
TARGET = 25  # how many times faster ours has to be


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--identities", type=int, default=32, help="drawn for the measurement, with four images each")
    parser.add_argument("--turns", type=int, default=12, help="of each path, one after the other")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/loading.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    parts = config.schemes["eight"].parts
    table = []
    with tempfile.TemporaryDirectory() as folder:
        rows = draw_images(Path(folder), config, arguments.identities)
        write_maps(Path(folder), rows, list(parts))
        for size in ((256, 128), (384, 128)):
            table.append(compare(Path(folder), rows, parts, size, arguments.turns))
    write_report(arguments.report, table)
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3g"))
    under = missed(table)
    sys.exit(f"under target: {'; '.join(under)}" if under else 0)


def draw_images(folder: Path, config: Config, identities: int) -> list[ImageRow]:
    """Training images of synthetic people, of Market-1501's 64 x 128 pixels."""
    sources = render(folder, config, identities=2 * identities, images=4, width=64, height=128)
    keys = [source.key for source in sources if source.key.startswith("bounding_box_train/")]
    return [ImageRow(key, "train", number // 4, 1, 64, 128, "") for number, key in enumerate(keys)]


def write_maps(folder: Path, rows: list[ImageRow], part_names: list[str]) -> None:
    """For both paths: 36 native maps of 33 x 17 cells as .npy, a label file of 64 x 32 cells."""
    rng = np.random.default_rng(0)
    for row in rows:
        np.save(folder / f"{row.key}.npy", rng.random((36, 33, 17), dtype=np.float32))
    write_random_labels(folder / "labels.h5", [row.key for row in rows], part_names, rng)


def compare(folder: Path, rows: list[ImageRow], parts: dict[str, list[int]], size: tuple[int, int], turns: int) -> Row:
    """CPU milliseconds a sample of both paths: the least of their turns, since what else runs here only adds."""
    augmentation = Augmentation(padding=10, flip=0.0, erasing=0.5)
    ours = TrainingSamples(folder, rows, LabelFile(folder / "labels.h5"), size, augmentation, 0)
    reference = Reference(folder, rows, parts, size)
    usual, new = [], []
    for turn in range(turns):
        addresses = [(turn, position, (turn * BATCH + position) % len(rows)) for position in range(BATCH)]
        usual.append(cpu_milliseconds(lambda addresses=addresses: reference.batch(addresses[:SHARE])) / SHARE)
        for _ in range(BATCH // SHARE):
            new.append(
                cpu_milliseconds(lambda addresses=addresses: normalised(ours.__getitems__(addresses).images)) / BATCH
            )
    return {
        "what": f"{size[0]}x{size[1]}, ms a training sample",
        "theirs": min(usual),
        "ours": min(new),
        "ratio": min(usual) / min(new),
        "target": TARGET,
    }


def cpu_milliseconds(work: Callable[[], object]) -> float:
    """Processor time that `work` takes."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1000


class Reference:
    """The usual path: cv2, albumentations, and float maps at image size."""

    def __init__(self, folder: Path, rows: list[ImageRow], parts: dict[str, list[int]], size: tuple[int, int]) -> None:
        self.folder, self.rows, self.groups = folder, rows, list(parts.values())
        self.label_size = (size[0] // 4, size[1] // 4)
        self.transform = albumentations.Compose(
            [
                albumentations.Resize(*size),
                albumentations.PadIfNeeded(size[0] + 20, size[1] + 20, border_mode=cv2.BORDER_CONSTANT, fill=0),
                albumentations.RandomCrop(*size),
                albumentations.Normalize(IMAGENET_MEAN, IMAGENET_STD),
                albumentations.CoarseDropout((1, 1), (0.15, 0.65), (0.15, 0.65), fill=0, fill_mask=0, p=0.5),
                ToTensorV2(transpose_mask=True),
            ]
        )

    def batch(self, addresses: list[tuple[int, int, int]]) -> list[torch.Tensor]:
        return default_collate([self.sample(self.rows[image].key) for _, _, image in addresses])

    def sample(self, key: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Image [3, H, W] and part probabilities [K + 1, H / 4, W / 4]."""
        image = cv2.cvtColor(cv2.imread(str(self.folder / key)), cv2.COLOR_BGR2RGB)
        maps = np.load(self.folder / f"{key}.npy").transpose(1, 2, 0)
        maps = cv2.resize(maps, image.shape[1::-1])  # albumentations wants them as large as the image
        placed = self.transform(image=image, mask=maps)
        grouped = torch.stack([placed["mask"][channels].amax(0) for channels in self.groups])
        background = (grouped.amax(0, keepdim=True) < 0.5).float()
        probabilities = torch.softmax(15 * torch.cat([background, grouped]), 0)
        return placed["image"], interpolate(probabilities[None], self.label_size, mode="nearest")[0]


if __name__ == "__main__":
    main()
