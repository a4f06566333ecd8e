"""Images a second against the number of processes, and what 30,000 images cost before the first of them is labelled.

Stage fields (the PifPaf network that the project ships) and the loader of trainings work with so many processes; next
to them, as many independent copies of the program do the same work without any other process: that is what the machine
allows, on cores that are shared with whatever else runs. Both run in turns, and their ratio is the median of all turns.
A copy's speed is that of its later three quarters; starting a process, which takes seconds, is no part of it.

Then a folder of 30,000 small images with the names of Market-1501 is made up, and three things are done with it: stages
manifest and check, and a dry run of everything from its images to its metrics.

    python benchmarks/processes.py [--processes 1 2 4 8]

Wall time, then CPU time of all processes. Fails if processes do less than nine tenths of what as many copies do, or if
one of the three things takes more than 20 CPU seconds.
"""

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import yaml  # noqa: E402
from tabulate import tabulate  # noqa: E402

from artefacts.manifest import ImageRow, read_sources  # noqa: E402
from benchmarks.datasets.market1501 import fabricate  # noqa: E402
from benchmarks.report import Row, missed, write_report  # noqa: E402
from benchmarks.report.process import measured  # noqa: E402
from parsing.stage_config import FieldsConfig  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config  # noqa: E402
from reid.config.stages import ManifestConfig, ProtocolConfig  # noqa: E402

LINEAR, SECONDS = 0.9, 20  # targets: share of what copies do; CPU seconds at most
LONGER = 4  # times the batches for the loader: a forked process copies pages for its first second, and outlives epochs
RENDERED = {"identities": 64, "images": 6, "width": 64, "height": 128}
MODEL, PARTS = "resnet50", ["head", "torso", "arms", "legs", "feet"]
ENTRY = {"reader": "market1501", "scheme": "five", "pifpaf": "small", "seeds": [1]}
Stamps = list[float]  # when each piece of work was done, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, nargs="*", default=range(1, cores + 1), help="1 to all cores")
    parser.add_argument("--batches", type=int, default=64, help="of each process")
    parser.add_argument("--turns", type=int, default=5, help="of processes and copies, one after the other")
    parser.add_argument("--images", type=int, default=30_000, help="of the dataset that is made up")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/processes.json")
    parser.add_argument("--once", nargs=3, metavar=("WORK", "PROCESSES", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        work, processes, folder = arguments.once
        print(WORKS[work][1](Path(folder), int(processes), arguments.batches))
        return
    with tempfile.TemporaryDirectory() as folder:
        table = preparation(Path(folder) / "market1501", arguments.images)
        if arguments.processes:
            prepare(Path(folder), max(arguments.processes), arguments.batches)
        for work in WORKS if arguments.processes else ():
            table += compare(work, arguments.processes, arguments.turns, Once(Path(folder), arguments.batches))
    write_report(arguments.report, table, cores=cores)
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3g"))
    under = missed(table)
    sys.exit(f"under target: {'; '.join(under)}" if under else 0)


def configuration(*more: Path) -> Config:
    return read_configuration([*(PROJECT / name for name in CONFIGURATION), *more])


def preparation(folder: Path, images: int) -> list[Row]:
    """CPU seconds of what is done with a dataset before its first image is labelled."""
    fabricate(folder / "images", images)
    added, manifest = folder / "config.yaml", str(folder / "manifest.csv")
    added.write_text(yaml.safe_dump({"datasets": {"fabricated": ENTRY | {"root": str(folder / "images")}}}))
    config, threads = configuration(added), str(len(os.sched_getaffinity(0)))
    reid = [sys.executable, "-m", "reid.stages"]
    told = [stage.of(config, "fabricated").model_dump_json() for stage in (ManifestConfig, ProtocolConfig)]
    outputs = ["--report", str(folder / "protocol.md"), "--accepted", str(folder / "accepted.txt")]
    commands = {
        "manifest": [*reid, "manifest", "--config", told[0], "--manifest", manifest, "--threads", threads],
        "check of the protocol": [*reid, "check", "--config", told[1], "--manifest", manifest, *outputs],
        "dry run": [
            sys.executable, "-m", "snakemake", "--cores", threads, "--dry-run", "--quiet", "--configfile", str(added),
            "--", "results/fabricated/small/metrics.json",
        ],
    }  # fmt: skip
    return [at_most(f"{images:,} images, {name}", measured(words, cwd=PROJECT)) for name, words in commands.items()]


def at_most(what: str, spent: dict) -> Row:
    """What took so much next to the limit."""
    seconds = spent["cpu_s"]
    return {
        "what": f"{what}, CPU s at most",
        "theirs": SECONDS,
        "ours": seconds,
        "ratio": SECONDS / seconds,
        "target": 1,
    }


def prepare(folder: Path, processes: int, batches: int) -> None:
    """Crops for both works and lists of them: files of as many names as `processes` label."""
    import numpy as np

    from benchmarks.datasets.rendered import render, write_random_labels

    config = configuration()
    sources = render(folder, config, **RENDERED)
    write_random_labels(folder / "labels.h5", [one.key for one in sources], PARTS, np.random.default_rng(0))
    (folder / "crops").mkdir()
    count = processes * batches * config.labels.batch_size
    names = {f"crops/{number:07}.jpg": one for number, one in zip(range(count), itertools.cycle(sources), strict=False)}
    for name, one in names.items():
        os.link(folder / one.key, folder / name)
    with open(folder / "crops.csv", "w", newline="") as file:
        csv.writer(file).writerows([("key", "sha256"), *((name, one.sha256) for name, one in names.items())])


class Once:
    """Runs a work in new programs, `copies` at the same time, each with `processes` (0: without any other)."""

    def __init__(self, folder: Path, batches: int) -> None:
        self.folder, self.batches = folder, batches

    def __call__(self, work: str, processes: int, copies: int = 1) -> float:
        """Images a second of all copies."""
        words = [sys.executable, __file__, "--once", work, str(processes), str(self.folder)]
        words += ["--batches", str(self.batches)]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        started = [subprocess.Popen(words, cwd=PROJECT, **quiet) for _ in range(copies)]
        rates = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            sys.exit(f"failed; run it by hand: {' '.join(words)}")
        return sum(map(float, rates))


def compare(work: str, counts: Iterable[int], turns: int, once: Callable[..., float]) -> list[Row]:
    """Milliseconds an image of so many copies and of as many processes; and of copies next to a single one."""
    rows, single = [], None
    for count in counts:
        pairs = [(once(work, 0, count), once(work, count)) for _ in range(turns)]
        copies, ours = (median(rates) for rates in zip(*pairs, strict=True))
        single = copies if count == 1 else single
        ratio = median(new / old for old, new in pairs)
        name = f"{WORKS[work][0]}, {count} process{'es' * (count > 1)}"
        rows.append(row(f"{name}, ms an image next to copies", copies, ours, ratio) | {"target": LINEAR})
        if count > 1 and single:
            rows.append(row(f"{name}, ms an image of copies next to one copy", single, copies, copies / single))
    return rows


def row(what: str, theirs: float, ours: float, ratio: float) -> Row:
    return {"what": what, "theirs": 1000 / theirs, "ours": 1000 / ours, "ratio": ratio}


def rate(stamps: Stamps, images: int) -> float:
    """Images a second, `images` at each stamp, after the first quarter of them."""
    begun = len(stamps) // 4
    return images * (len(stamps) - 1 - begun) / (stamps[-1] - stamps[begun])


def label(folder: Path, processes: int, batches: int) -> float:
    """Images a second of stage fields."""
    from parsing.stages import fields

    stamps: Stamps = []
    config, checkpoint = configuration(), PROJECT / "resources/pifpaf/small.safetensors"
    told = FieldsConfig.of(config, "synthetic").model_copy(update={"root": str(folder)})
    fields.track = lambda rows, *_: noted(rows, stamps)
    with tempfile.TemporaryDirectory() as output:
        count = max(processes, 1) * batches * config.labels.batch_size
        manifest = Path(output) / "manifest.csv"
        rows = [(one.key, one.sha256) for one in read_sources(folder / "crops.csv")[:count]]
        with open(manifest, "w", newline="") as file:
            csv.writer(file).writerows([("key", "sha256"), *rows])
        paths = {name: Path(output) / name for name in ("fields", "known", "state")}
        fields.run(
            argparse.Namespace(
                config=told.model_dump_json(), manifest=manifest, checkpoint=checkpoint, shard=(0, 1),
                threads=max(processes, 1), **paths,
            )
        )  # fmt: skip
    return rate(stamps, 1)


def noted(rows: Iterable, stamps: Stamps) -> Iterator:
    """The rows; when each was done with is appended to `stamps`."""
    for one in rows:
        yield one
        stamps.append(time.perf_counter())


def load(folder: Path, processes: int, batches: int) -> float:
    """Images a second of an epoch of training batches."""
    from parsing.store import LabelFile
    from reid.data.loading import training_loader

    batches *= LONGER
    model = configuration().model(MODEL)
    keys = [one.key for one in read_sources(folder / "index.csv")]
    rows = [ImageRow(key, "train", number // RENDERED["images"], 1, 64, 128, "") for number, key in enumerate(keys)]
    wanted = max(processes, 1) * batches * model.training.batch_size
    loader = training_loader(
        folder, rows * -(-wanted // len(rows)), LabelFile(folder / "labels.h5"), model, 0, processes
    )
    with closing(loader.epoch(0)) as epoch:
        stamps = [time.perf_counter() for _ in epoch]
    return rate(stamps, model.training.batch_size)


WORKS = {"fields": ("stage fields", label), "loader": ("training loader", load)}

if __name__ == "__main__":
    main()
