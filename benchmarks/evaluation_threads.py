"""Where the evaluation's time goes, and what a second thread gains, at the size of Market-1501.

The profile is of one thread, in CPU seconds: imports; loading compiled code from its cache, which is what the first of
two searches takes longer; then the steps of the second. The products of visible features are its lower bound: nothing
that compares all pairs can do without them.

Threads are compared by wall time, in turns within one process, so both cores must be idle. Ranks must be equal bit for
bit, and each peak of memory is that of a process of its own.

    python benchmarks/evaluation_threads.py
"""

import argparse
import functools
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "benchmarks")]

from benchmarks.report.process import alone, asked  # noqa: E402

TURNS = 5
FASTER, MEMORY = 1.8, 1.1  # targets: wall time of one thread over that of two; memory of two over that of one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments = asked(parser, "evaluation_threads", WAYS)
    import evaluation
    from tabulate import tabulate

    from benchmarks.report import missed, write_report

    with tempfile.TemporaryDirectory() as folder:
        market = evaluation.fabricate(Path(folder) / "market.h5", evaluation.GALLERY)
        alone(evaluation.__file__, "ours", market)  # compiles, where nothing is compiled yet
        found = {way: alone(__file__, way, market)["output"] for way in WAYS}
    steps = dict(zip(found["profile"][::2], map(float, found["profile"][1::2]), strict=True))
    one, two = (float(found[way][0]) for way in ("one", "two"))
    faster = float(found["turns"][0])
    table = [
        {"what": "two threads over one, wall time", "theirs": None, "ours": None, "ratio": faster, "target": FASTER},
        {"what": "two threads over one, MB", "theirs": one, "ours": two, "ratio": two / one, "most": MEMORY},
        *({"what": f"{step}, CPU s", "theirs": None, "ours": spent, "ratio": None} for step, spent in steps.items()),
    ]
    write_report(arguments.report, table)
    rows = [(step, seconds, seconds / sum(steps.values())) for step, seconds in steps.items()]
    print(tabulate(rows, headers=["step", "CPU s", "share"], floatfmt=".2f"))
    print(f"two threads: {faster:.2f} times as fast as one; memory {two / one:.2f} times; the same ranks")
    under = missed(table)
    sys.exit(f"under target: {'; '.join(under)}" if under else 0)


def profile(path: Path) -> list:
    """Names of steps, each followed by its CPU seconds on one thread."""
    start = time.process_time()
    import numpy as np

    from reid.evaluation import distance, kernels, retrieval  # noqa: F401

    imports = time.process_time() - start
    first, spent = spent_by(search, path), defaultdict(float)
    for step, owner, names in (
        ("products of visible features", np, ["matmul"]),
        ("roots, weights and sums", kernels, ["add_distances", "average"]),
        ("reading the gallery", distance.PartDistances, ["_block"]),
        ("distances that decide a rank, measured", kernels, ["add_measured"]),
        ("ranks", kernels, ["undecided", "count_nearer"]),
    ):
        for name in names:
            setattr(owner, name, timed(getattr(owner, name), step, spent))
    second = spent_by(search, path)
    spent["the rest"] = second - sum(spent.values())
    steps = {"imports": imports, "loading compiled code": max(first - second, 0.0)} | spent
    return [word for step, seconds in steps.items() for word in (step.replace(" ", "_"), round(seconds, 3))]


def timed(function, step: str, spent: dict):
    """`function`, whose CPU seconds are added to those of a step."""

    def run(*arguments, **named):
        start = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            spent[step] += time.process_time() - start

    return run


def spent_by(work, *arguments) -> float:
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def search(path: Path, threads: int = 1):
    """Precisions [M] at the ranks of all positives."""
    import evaluation

    from reid.embeddings.store import reading
    from reid.evaluation.retrieval import retrieve
    from reid.evaluation.tiles import Compute

    with reading(path) as file:
        return retrieve(file, evaluation.DEFAULT, compute=Compute(threads)).precisions


def turns(path: Path) -> list[float]:
    """How many times as fast two threads are as one: the median of turns, each thread count after the other."""
    import numpy as np

    ranks = search(path)
    ratios = []
    for _ in range(TURNS):
        seconds = []
        for threads in (1, 2):
            start = time.perf_counter()
            found = search(path, threads)
            seconds.append(time.perf_counter() - start)
            assert np.array_equal(found, ranks), f"ranks of {threads} threads differ"
        ratios.append(seconds[0] / seconds[1])
    print(f"each turn: {np.round(ratios, 2)}", file=sys.stderr)
    return [float(np.median(ratios))]


def peak(path: Path, threads: int) -> list[int]:
    """Peak memory of a search, KiB."""
    search(path, threads)
    return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]


WAYS = {
    "profile": profile,
    "turns": turns,
    "one": functools.partial(peak, threads=1),
    "two": functools.partial(peak, threads=2),
}

if __name__ == "__main__":
    main()
