"""Labelling people: images a second and bytes on disk, ours against openpifpaf's Predictor and one .npy an image.

The reference is what users of PifPaf write to get its maps, written out here: `Predictor` on the image files, hooks on
the network's heads, `np.save` of the 36 confidence maps as float32. Ours is stage fields: the same images and the same
checkpoint, to a sealed file. Both compute, decode skeletons and write, in turns, on one core of one process; more
cores only widen the gap, since ours runs a process on each while theirs shares one image among threads. Networks:
openpifpaf's default shufflenetv2k16 with random weights whose heads find no person, and the small one that the project
ships, which finds people. bfloat16 is measured where the processor has it.

    python benchmarks/labelling.py

CPU time, the least of several turns; ratios travel between machines with like processors, milliseconds do not. Fails
if a ratio is under its target. That of the images a second is 4, where bfloat16 products are so much faster than
float32 ones (AMX); a processor that doubles them (AVX-512) can at most double what float32 gains: there the target is
nine tenths of that. The small network's time is spent on images and skeletons, too; it has none.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import openpifpaf  # noqa: E402

from artefacts.manifest import Source  # noqa: E402
from artefacts.processor import has_bfloat16  # noqa: E402
from benchmarks.datasets.rendered import render  # noqa: E402
from benchmarks.report import missed, write_report  # noqa: E402
from parsing.config import Checkpoint  # noqa: E402
from parsing.labels.label_maps import MaskMaker  # noqa: E402
from parsing.pifpaf import network as pifpaf  # noqa: E402
from parsing.pifpaf.cache import RowCache  # noqa: E402
from parsing.pifpaf.checkpoints import load_network, save_network  # noqa: E402
from parsing.pifpaf.extraction import ExtractionJob, FieldExtractor  # noqa: E402
from parsing.pifpaf.inference import one_dnn  # noqa: E402
from parsing.pifpaf.workers import BatchCache, ShardWork  # noqa: E402
from parsing.schemes import part_scheme  # noqa: E402
from parsing.store import FieldFile, LabelFile, write_fields, write_labels  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config  # noqa: E402

SIZE = (256, 128)  # height, width
SHUFFLENETV2K16 = pifpaf.Architecture((4, 8, 4), (24, 348, 696, 1392, 1392), 2)
SHIPPED = PROJECT / "resources/pifpaf/small.safetensors"
FASTER, SMALLER = 4, 10  # targets: images a second in bfloat16; bytes
REACHED = 0.9  # share of what the processor's arithmetic allows, where that is less
COPIES = 8  # of each image in the files that are read at random, so that no cache holds them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=96, help="drawn for the measurement")
    parser.add_argument("--turns", type=int, default=12, help="of each path, one after the other")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/labelling.json")
    arguments = parser.parse_args()
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # Predictor unpickles whole modules
    torch.set_num_threads(1)
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    with tempfile.TemporaryDirectory() as folder:
        many = {"identities": 2 * (arguments.images // 12), "images": 12}
        sources = render(Path(folder) / "images", config, **many)[: arguments.images]
        rows = [*speed(Path(folder), sources, config, arguments.turns), *storage(Path(folder), sources, config)]
    table = [dict(zip(("what", "theirs", "ours", "ratio", "target"), row, strict=True)) for row in rows]
    write_report(arguments.report, table)
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3g"))
    under = missed(table)
    sys.exit(f"under target: {'; '.join(under)}" if under else 0)


def speed(folder: Path, sources: list[Source], config: Config, turns: int) -> list[tuple]:
    """Milliseconds an image of both paths, with each network and precision; and of ours for an image that is known."""
    (folder / "k16").mkdir()
    released, large = save_quiet_network(folder / "k16")
    small = folder / "small.pkl"
    torch.save({"model": load_network(SHIPPED), "epoch": 0}, small)
    faster = product_ratio() if has_bfloat16() else 0
    rows = [("bfloat16 over float32 products", 1, faster, faster, 0)]
    for name, theirs, ours in (("shufflenetv2k16", released, large), ("shipped network", small, SHIPPED)):
        for precision in ("float32", "bfloat16") if has_bfloat16() else ("float32",):
            ways = Straightforward(folder, theirs), Ours(folder, ours, precision, config.labels.batch_size)
            milliseconds = in_turns(ways, sources, config.labels.batch_size, turns)
            ratio = milliseconds[0] / milliseconds[1]
            target = 0.0
            if theirs == released and precision == "bfloat16":
                target = min(FASTER, REACHED * faster * rows[-1][3])
            rows.append((f"{name}, {precision}, ms an image", *milliseconds, ratio, target))
        rows.append(
            (f"{name}, ms a known image", milliseconds[0], known := ways[1].again(sources), milliseconds[0] / known, 0)
        )
    return rows


def product_ratio() -> float:
    """How much faster this processor does a 1x1 convolution of the network's in bfloat16 than in float32."""
    spent = []
    for kind in (torch.float32, torch.bfloat16):
        layer = one_dnn(torch.nn.Sequential(torch.nn.Conv2d(696, 696, 1))).to(kind, memory_format=torch.channels_last)
        maps = torch.rand(8, 696, 33, 17).to(kind, memory_format=torch.channels_last)
        with torch.inference_mode():
            spent.append(min(milliseconds(lambda layer=layer, maps=maps: layer(maps)) for _ in range(20)))
    return spent[0] / spent[1]


def save_quiet_network(folder: Path) -> tuple[Path, Path]:
    """A shufflenetv2k16 with random weights that answers to nothing, as a released checkpoint and as one of ours."""
    torch.manual_seed(0)
    network = pifpaf.build_network(SHUFFLENETV2K16).eval()
    for head in network.head_nets:
        torch.nn.init.constant_(head.conv.bias, -8)
    torch.save({"model": network, "epoch": 0}, folder / "net.pkl")
    save_network(folder / "net.safetensors", network, SHUFFLENETV2K16, {})
    return folder / "net.pkl", folder / "net.safetensors"


def in_turns(ways: tuple, sources: list[Source], length: int, turns: int) -> list[float]:
    """CPU milliseconds an image of each way: the least of its turns, since what else runs here only adds."""
    spent = [[] for _ in ways]
    for turn in range(-1, turns):  # the first warms up
        start = max(turn, 0) * length % (len(sources) - length + 1)
        for times, way in zip(spent, ways, strict=True):
            cost = milliseconds(lambda way=way, start=start: way(sources[start : start + length])) / length
            times.extend([cost] * (turn >= 0))
    return [min(times) for times in spent]


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time that `work` takes."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1000


class Straightforward:
    """The usual path: openpifpaf's Predictor with hooks on its heads, one .npy of float32 an image."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.images, self.output = folder / "images", folder / "npy"
        self.output.mkdir(exist_ok=True)
        openpifpaf.Predictor.loader_workers = 0
        self.predictor = openpifpaf.Predictor(checkpoint=str(checkpoint))
        torch.ops.openpifpaf.set_quiet(True)
        self.fields: list[torch.Tensor] = []
        for head in self.predictor.model.head_nets:
            head.register_forward_hook(lambda head, features, field: self.fields.append(field))

    def __call__(self, batch: list[Source]) -> None:
        for source, _ in zip(batch, self.predictor.images([self.images / source.key for source in batch]), strict=True):
            maps = np.concatenate([field[0, :, pifpaf.CONFIDENCE].numpy() for field in self.fields])
            np.save(self.output / f"{Path(source.key).stem}.npy", maps)
            self.fields.clear()


class Ours:
    """Stage fields, without starting it: a batch kept, and written with its skeletons to a sealed file."""

    def __init__(self, folder: Path, checkpoint: Path, precision: str, batch_size: int) -> None:
        job = ExtractionJob(folder / "images", checkpoint, Checkpoint(weights="", size=SIZE), batch_size, precision)
        finder = FieldExtractor(job)
        attributes = {"provenance": {}, "stride": finder.stride, "input_size": SIZE, "checkpoint_sha256": ""}
        shutil.rmtree(folder / "kept", ignore_errors=True)
        self.keeper, self.output = BatchCache(ShardWork(job, folder / "kept", attributes)), folder / "fields.h5"

    def __call__(self, batch: list[Source]) -> None:
        file = FieldFile(self.keeper(batch))
        self.write([file.row(key) for key in file.keys])
        file.close()

    def write(self, rows: list[dict]) -> None:
        work = self.keeper.work
        write_fields(self.output, self.keeper.finder.grid, len(rows), rows, work.attributes)

    def again(self, sources: list[Source]) -> float:
        """CPU milliseconds for an image that was labelled before."""
        path = self.keeper(sources[: self.keeper.work.job.batch_size])
        known, batch = RowCache({}), sources[: self.keeper.work.job.batch_size]
        known.add(path)
        spent = [milliseconds(lambda: self.reuse(known, batch)) for _ in range(20)]
        path.unlink()
        return min(spent) / len(batch)

    def reuse(self, known: RowCache, batch: list[Source]) -> None:
        assert all(known.has(self.keeper.work.job.root, source) for source in batch)
        self.write([known.row(source) for source in batch])


def storage(folder: Path, sources: list[Source], config: Config) -> list[tuple]:
    """Bytes an image and microseconds a random read, against float32 .npy files of the same maps."""
    finder = FieldExtractor(
        ExtractionJob(folder / "images", SHIPPED, Checkpoint(weights="", size=SIZE), config.labels.batch_size)
    )
    scheme = part_scheme(config.schemes["five"])
    maker = MaskMaker(scheme, SIZE, finder.stride, finder.grid, config.labels.threshold, "plain")
    fields, labels = [], []
    for start in range(0, len(sources), config.labels.batch_size):
        for row in finder(sources[start : start + config.labels.batch_size]):
            confidences = maker.confidences(row["confidences"])
            labels.append(
                {"key": row["key"], "status": "ok", "labels": maker.labels(confidences), "confidences": confidences}
            )
            fields.append(row)
    attributes = {"provenance": {}, "stride": finder.stride, "input_size": SIZE, "checkpoint_sha256": ""}
    fields, labels = copied(fields), copied(labels)
    write_fields(folder / "all.h5", finder.grid, len(fields), fields, attributes)
    names, mirrored = list(scheme.part_names), list(scheme.mirrored)
    write_labels(folder / "five.h5", maker.grid, names, mirrored, len(labels), labels, {})
    maps, parts = FieldFile(folder / "all.h5"), LabelFile(folder / "five.h5")
    return [
        *against_npy("maps", folder, fields, maps, maps.confidences),
        *against_npy("part confidences", folder, labels, parts, parts.confidences),
    ]


def copied(rows: list[dict]) -> list[dict]:
    return [row | {"key": f"{number}/{row['key']}"} for number in range(COPIES) for row in rows]


def against_npy(name: str, folder: Path, rows: list[dict], file: FieldFile | LabelFile, read: Callable) -> list[tuple]:
    """Bytes and random reads of one file's confidences."""
    paths = {row["key"]: folder / f"{name}{number}.npy" for number, row in enumerate(rows)}
    for row in rows:
        np.save(paths[row["key"]], row["confidences"].astype(np.float32) / 255)
    order = np.random.default_rng(0).permutation(file.keys)
    bytes_ = sum(path.stat().st_size for path in paths.values()) / len(rows), file.path.stat().st_size / len(rows)
    ways = lambda key: np.load(paths[key]), read
    spent = [min(milliseconds(lambda way=way: [way(key) for key in order]) for _ in range(5)) for way in ways]
    microseconds = [1000 * time / len(rows) for time in spent]
    return [
        (f"{name}, bytes an image", *bytes_, bytes_[0] / bytes_[1], SMALLER * (name == "maps")),
        (f"{name}, us a random read", *microseconds, microseconds[0] / microseconds[1], 1),
    ]


if __name__ == "__main__":
    main()
