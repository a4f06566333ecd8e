"""Exported files next to torch as `reid.load` runs it: speed and size of each format, in one run on one thread.

Five entries of `models` with random weights and statistics, in float32: the demo's MobileNetV2 (128x64), and ResNet-50,
ResNet-50-IBN, HRNet-W32 and Swin-S at their own sizes. All embed the same rendered people, uint8 images of another size
than the network's, in turns in one process: torch eagerly, batch normalisation folded into the convolutions; each
exported file in its own runtime, resizing and normalisation inside. Their features must agree to 1e-4, of images of the
network's size, but for int8's: what these lose is measured on trained weights, by `reid export --int8`. CPU time, the
least of several turns; ratios travel between machines with like processors, seconds do not.

    pip install '.[export]' && python benchmarks/export.py

Ten to twenty minutes. A format whose packages are missing is left out, and named. It also counts how often the resizing
inside a graph differs from that of `reid embed`, on rendered people of four sizes. Fails if features disagree.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata, util
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from tabulate import tabulate
from torch import Tensor

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.processor import compute_on  # noqa: E402
from benchmarks.extraction import pretended  # noqa: E402
from benchmarks.report import Row, write_report  # noqa: E402
from benchmarks.targets import must_hold  # noqa: E402
from benchmarks.training import PARTS, in_turns  # noqa: E402
from reid.checkpoints.pack import WEIGHTS, pack_of, write_pack  # noqa: E402
from reid.checkpoints.store import TrainedModel  # noqa: E402
from reid.config.domain import Domain  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config, ModelInUse  # noqa: E402
from reid.data.images import resized  # noqa: E402
from reid.export import onnx_file, openvino_file, torch_file  # noqa: E402
from reid.export.files import write_exported  # noqa: E402
from reid.export.graph import Graph  # noqa: E402
from reid.export.int8 import quantised  # noqa: E402
from reid.export.preprocessing import resized_to  # noqa: E402
from reid.export.program import Run  # noqa: E402
from reid.search.extractor import Extractor, load  # noqa: E402
from reid.synthetic.dataset import Scene, Shot, draw_shot  # noqa: E402
from reid.synthetic.scenes import make_camera  # noqa: E402

ONNX, INT8 = ("onnx", "onnxscript", "onnxruntime"), "ONNX in int8"
FORMATS = {  # ending, the packages it takes, and what runs a file of it on one thread
    "ONNX": (".onnx", ONNX, lambda path: onnx_file.runner(path, threads=1)),
    "torch.export": (".pt2", (), lambda path: torch_file.runner(torch.export.load(path))),
    INT8: (".int8.onnx", ONNX, lambda path: onnx_file.runner(path, threads=1)),
    "OpenVINO": (".xml", ("openvino",), lambda path: openvino_file.runner(path, threads=1)),
}
MODELS = {  # entries of `models`
    "small": "MobileNetV2",
    "resnet50": "ResNet-50",
    "resnet50_ibn": "ResNet-50-IBN",
    "hrnet": "HRNet-W32",
    "swin": "Swin-S",
}
IMAGES, TAKEN = 16, (192, 80)  # a batch, and its height and width
SIZES, WANTED = ((64, 32), (100, 50), (192, 80), (256, 128)), (128, 64)  # what is resized, and to what
SAME = 1e-4  # of a feature's length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5, help="of each format")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/export.json")
    arguments = parser.parse_args()
    compute_on(1)
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    rows = [row for model in MODELS for row in measure(config, model, arguments.turns)]
    needed = {package for _, packages, _ in FORMATS.values() for package in packages}
    write_report(arguments.report, rows, **{name: metadata.version(name) for name in needed - set(missing(needed))})
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3g"))
    for name, (_, packages, _) in FORMATS.items():
        if lacking := missing(packages):
            print(f"{name}: left out, no {', '.join(lacking)} here; pip install '.[export]'")
    for size, (share, levels) in resizing().items():
        print(f"resizing {size} inside: {share:.2%} of the values differ from those of reid embed, by {levels} at most")


def missing(packages: Iterable[str]) -> list[str]:
    """Those that are not installed."""
    return [name for name in packages if util.find_spec(name) is None]


def measure(config: Config, model: str, turns: int) -> list[Row]:
    """Milliseconds an image, and megabytes, of each format next to torch's."""
    images = people(IMAGES, TAKEN)
    with tempfile.TemporaryDirectory() as folder:
        pack = packed(config, model, Path(folder) / "pack")
        files, eager = exported(pack, Path(folder)), load(pack, "cpu")
        runs = {name: FORMATS[name][2](path) for name, path in files.items()}
        for name, run in runs.items():
            if name == INT8:  # whose loss `reid export --int8` measures, in mAP of trained weights
                continue
            must_agree(f"{MODELS[model]}, {name}", eager, run)
        spent = in_turns([lambda: eager.embed(images), *(lambda run=run: run(images) for run in runs.values())], turns)
        speeds = [1000 * seconds / IMAGES for seconds in spent]
        sizes = [megabytes(path) for path in (pack / WEIGHTS, *files.values())]
    told = [f"{MODELS[model]}, {name}" for name in files]
    return compared(told, "ms an image", speeds) + compared(told, "MB", sizes)


def compared(told: list[str], unit: str, numbers: list[float]) -> list[Row]:
    """A row for each number but the first, which is torch's and is what the others are compared with."""
    theirs, *others = numbers
    return [
        {"what": f"{what}, {unit}", "theirs": theirs, "ours": ours, "ratio": theirs / ours}
        for what, ours in zip(told, others, strict=True)
    ]


def packed(config: Config, model: str, folder: Path) -> Path:
    """`folder`, with a pack of an entry of `models` in it that has random weights and statistics."""
    settings, matching = ModelInUse.of(config.model(model)), config.matchings[config.model(model).matching]
    known = TrainedModel(pretended(settings), settings, [f"part{number}" for number in range(PARTS)], {})
    pack = pack_of(known, settings, matching, name=f"random/{model}", seed=0, trained={}, provenance={})
    write_pack(folder, known.network, pack, "")
    return folder


def exported(pack: Path, folder: Path) -> dict[str, Path]:
    """A file of each format whose packages are here."""
    files = {
        name: folder / f"model{ending}" for name, (ending, packages, _) in FORMATS.items() if not missing(packages)
    }
    for name, path in files.items():
        model = load(pack, "cpu")
        if name == INT8:
            exact = onnx_file.converted(Graph(model.network, model.pack, "images"))
            onnx_file.write(path, quantised(exact, people(IMAGES, model.size)[:, None]), {})
        else:
            write_exported(path, model.network, model.pack, "images")
    return files


def must_agree(what: str, eager: Extractor, run: Run) -> None:
    """Ends the program if the file's features are not torch's, of images of the network's size."""
    images = people(IMAGES, eager.size)
    wanted, found = eager.embed(images).features, run(images)[0]
    apart = (np.linalg.norm(found - wanted, axis=-1) / np.linalg.norm(wanted, axis=-1)).max()
    must_hold(apart <= SAME, f"{what}: features differ from torch's by {apart:.1g} of their length")


def megabytes(path: Path) -> float:
    """Of a file, with the weights that OpenVINO keeps next to its own."""
    files = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
    return sum(file.stat().st_size for file in files) / 1e6


def resizing() -> dict[str, tuple[float, int]]:
    """By the size of resized people: share of their values that differ inside a graph, and by how much at most."""
    found = {}
    for height, width in SIZES:
        images = people(IMAGES, (height, width))
        inside = resized_to(images.float(), WANTED, rounded=True).permute(0, 2, 3, 1).numpy()
        wanted = np.stack([resized(image, WANTED) for image in images.permute(0, 2, 3, 1).numpy()])
        apart = np.abs(inside - wanted)
        found[f"{height} x {width}"] = float((apart > 0).mean()), int(apart.max())
    return found


def people(count: int, size: tuple[int, int]) -> UInt8[Tensor, "count 3 H W"]:
    """Rendered people, each another, of a height and width."""
    scene = Scene(0, [make_camera([0, 0, 0])], size[::-1], crowd=0.15, occlusion=0.6, domain=Domain())
    shots = [Shot("query", number, camera=1, number=number) for number in range(1, count + 1)]
    images = np.stack([np.asarray(draw_shot(shot, scene)[0]) for shot in shots])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


if __name__ == "__main__":
    main()
