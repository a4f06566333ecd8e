"""Labelling, training, embedding and evaluation on a GPU, each next to the plain eager way in the same run.

Ours is what the stages do with batches that are loaded; the plain way is what the other programs here compare with, on
the same device and in the same precision: networks as they are built, in torch's usual layout, parts pooled by a masked
product, a loss that is read in every step, all distances in one tensor. Weights and images are random, so that nothing
is downloaded. Labelling ends before the decoder, which makes skeletons on the processor.

    python benchmarks/gpu.py [--cpu] [--models resnet50 …]

Images a second (of evaluation: queries) by wall time, the median of repeats after a warm-up, each of which ends when
the device is done; the most memory that tensors held; the share of the time of ten more steps in which a kernel ran.
`--cpu` does all of it in small without a GPU, which shows that it works and not how fast anything is; it compiles if
asked to. What a card cannot do, or has too little memory for, is said in the table. Fails if anything else failed.
"""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from tabulate import tabulate
from torch._dynamo.exc import TorchDynamoException

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.gpus import torch_device  # noqa: E402
from artefacts.processor import choose_convolutions, compute_on  # noqa: E402
from benchmarks import evaluation  # noqa: E402
from benchmarks.on_device import ways  # noqa: E402
from benchmarks.on_device.figures import Figures, Plan, Way, about, lacks, measured, set_free  # noqa: E402
from benchmarks.report import write_report  # noqa: E402
from benchmarks.training import settings_of  # noqa: E402
from reid.config.root import Model, ModelInUse  # noqa: E402
from reid.stages.embed import BATCH  # noqa: E402

MODELS = ("resnet50", "resnet50_ibn", "hrnet")
PRECISIONS = ("float32", "tf32", "bfloat16")
LIBRARIES = ("torchvision", "timm", "accelerate", "openpifpaf-vita")
HEADERS = ("", "plain/s", "ours/s", "times", "plain MiB", "ours MiB", "plain busy", "ours busy", "")


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured; `size` (height, width) and `ids` of a batch where not those of the models."""

    labelled: Plan
    trained: Plan
    embedded: Plan
    searched: Plan
    gallery: int
    distractors: int
    size: tuple[int, int] | None = None
    ids: int | None = None


FULL = Sizes(
    Plan(8, 10, 50, 5), Plan(64, 10, 20, 5), Plan(BATCH, 10, 20, 5),
    Plan(evaluation.QUERIES, 1, 1, 3, profiled=1), evaluation.GALLERY, evaluation.DISTRACTORS,
)  # fmt: skip
SMALL = Sizes(Plan(2, 1, 1, 2), Plan(8, 1, 1, 2), Plan(4, 1, 1, 2), Plan(40, 1, 1, 2), 300, 50, (64, 32), 2)


@dataclass(frozen=True)
class Case:
    """What is measured in one precision, and how each way is made when its turn comes."""

    what: str
    precision: str
    plan: Plan
    ours: Callable[[], Way]
    plain: Callable[[], Way]
    plain_plan: Plan | None = None
    benchmark: bool = True  # cuDNN times its algorithms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cpu", action="store_true", help="all of it in small on the CPU, to see that it works")
    parser.add_argument("--compile", action="store_true", help="torch.compile with --cpu, too, which takes minutes")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help=f"by default {' '.join(MODELS)}")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/gpu.json")
    arguments = parser.parse_args()
    device = torch.device("cpu" if arguments.cpu else torch_device())
    if device.type == "cpu" and not arguments.cpu:
        sys.exit("error: torch finds no GPU; make bench-gpu CPU=1 (--cpu) does all of it in small without one")
    compute_on(torch.get_num_threads())
    machine = about(device) | {name: metadata.version(name) for name in LIBRARIES}
    sizes, compiled = (SMALL, arguments.compile) if arguments.cpu else (FULL, True)
    rows, lines = [], []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(arguments.models, sizes, device, compiled, Path(folder)):
            found = compare(case, device)
            rows += rows_of(case.what, *found)
            lines.append(line(case.what, *found))
            print(*lines[-1], sep=" | ", file=sys.stderr, flush=True)
            write_report(arguments.report, rows, **machine)
    told = json.loads(arguments.report.read_text())["measured"]
    print(tabulate(told.items(), tablefmt="plain", disable_numparse=True))
    print(tabulate(lines, HEADERS, "github", disable_numparse=True))
    print(f"\n{arguments.report} is the report to send")
    sys.exit("something failed; see the table" if any("failed" in row.get("note", "") for row in rows) else 0)


def cases(models: list[str], sizes: Sizes, device: torch.device, compiled: bool, folder: Path) -> Iterator[Case]:
    """All that is measured, one after the other."""
    for precision in ("float32", "bfloat16"):
        both = (partial(way, precision, sizes.labelled.images, device) for way in (ways.label, ways.label_plainly))
        yield Case(f"labelling, {precision}", precision, sizes.labelled, *both, benchmark=False)
    for name, precision in itertools.product(models, PRECISIONS):
        for compile_ in (False, True) if compiled and precision == "bfloat16" else (False,):
            settings = entry(name, sizes, precision, compile_)
            both = (partial(way, settings, device) for way in (ways.train, ways.train_plainly))
            plan = replace(sizes.trained, images=settings.training.batch_size)
            yield Case(f"training {name}, {precision}{', compiled' * compile_}", precision, plan, *both)
    for name, precision in itertools.product(models, PRECISIONS):
        settings = ModelInUse.of(entry(name, sizes, precision))
        both = (partial(way, settings, sizes.embedded.images, device) for way in (ways.embed, ways.embed_plainly))
        yield Case(f"embedding {name}, {precision}", precision, sizes.embedded, *both)
    path = evaluation.fabricate(folder / "embeddings.h5", sizes.gallery, sizes.searched.images, sizes.distractors)
    both = (partial(way, path, device) for way in (ways.search, ways.search_plainly))
    once = replace(sizes.searched, warmup=0, repeats=1)  # it takes minutes
    yield Case("evaluation, float32", "float32", sizes.searched, *both, plain_plan=once)


def entry(name: str, sizes: Sizes, precision: str, compiled: bool = False) -> Model:
    """The model entry from scratch, which trains and embeds in this precision."""
    settings = settings_of(name)
    training = {"precision": precision, "compile": compiled}
    training |= {"ids_per_batch": sizes.ids or settings.training.ids_per_batch}
    return settings.model_copy(
        update={
            "training": settings.training.model_copy(update=training),
            "embedding_precision": precision,
            "size": sizes.size or settings.size,
        }
    )


def compare(case: Case, device: torch.device) -> tuple[Figures | None, Figures | None, str]:
    """What the plain way and ours are worth, each None where there is none, and why."""
    missing = lacks(case.precision, device)
    if missing:
        return None, None, missing
    plain, why = attempt(case.plain, case.plain_plan or case.plan, case, device)
    ours, why_not = attempt(case.ours, case.plan, case, device)
    notes = [f"{name}: {note}" for name, note in (("plain", why), ("ours", why_not)) if note]
    return plain, ours, "; ".join(notes)


def attempt(make: Callable[[], Way], plan: Plan, case: Case, device: torch.device) -> tuple[Figures | None, str]:
    """What a way is worth, or None and what stands against it; torch's choices are afterwards what they were."""
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=True):
            choose_convolutions(case.precision == "tf32", case.benchmark)
            return measured(make(), plan, device), ""
    except torch.OutOfMemoryError:
        return None, "out of memory"
    except TorchDynamoException as error:
        return None, f"does not compile here ({first_line(error)})"
    except Exception as error:  # the rest is still worth measuring
        return None, f"failed ({type(error).__name__}: {first_line(error)})"
    finally:
        set_free(device)


def first_line(error: Exception) -> str:
    return next((one.strip() for one in str(error).splitlines() if one.strip()), "")[:120]


def rows_of(what: str, plain: Figures | None, ours: Figures | None, note: str) -> list[dict]:
    """Rows of the report, those of speed with the range of the repeats."""
    rates = [figures and figures.rate for figures in (plain, ours)]
    ranges = {
        name: [figures.slowest, figures.fastest]
        for name, figures in (("theirs_range", plain), ("ours_range", ours))
        if figures
    }
    noted = {"note": note} if note else {}
    rows = [{"what": f"{what}, a second", **pair(*rates), "ratio": times(plain, ours)} | ranges | noted]
    for name, unit in (("memory", "MiB"), ("busy", "share of time with a kernel")):
        found = [figures and getattr(figures, name) for figures in (plain, ours)]
        if any(value is not None for value in found):
            ratio = found[0] / found[1] if name == "memory" and all(found) else None
            rows.append({"what": f"{what}, {unit}", **pair(*found), "ratio": ratio})
    return rows


def pair(plain: float | None, ours: float | None) -> dict[str, float | None]:
    return {"theirs": plain, "ours": ours}


def times(plain: Figures | None, ours: Figures | None) -> float | None:
    """How many times as fast ours is."""
    return ours.rate / plain.rate if plain and ours else None


def line(what: str, plain: Figures | None, ours: Figures | None, note: str) -> tuple[str, ...]:
    """A line of the table that is printed."""
    both = plain, ours
    cells = [(figures and figures.rate, ",.1f") for figures in both] + [(times(plain, ours), ".2f")]
    cells += [(figures and figures.memory, ",.0f") for figures in both]
    cells += [(figures and figures.busy, ".0%") for figures in both]
    return what, *("" if value is None else format(value, form) for value, form in cells), note


if __name__ == "__main__":
    main()
