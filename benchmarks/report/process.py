"""Ways that a benchmark measures in a process each: `program --way NAME --file FILE` runs one and prints what it gives.

It imports no library, so that a way can measure its own imports.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results"


def asked(
    parser: argparse.ArgumentParser, name: str, ways: Mapping[str, Callable[[Path], Iterable]]
) -> argparse.Namespace:
    """The program's options, `report` among them. Where it is asked for one of its ways, this runs it and exits."""
    parser.add_argument("--report", type=Path, default=RESULTS / f"{name}.json")
    parser.add_argument("--way", choices=sorted(ways), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(*ways[arguments.way](arguments.file))
        sys.exit()
    return arguments


def alone(program: str, way: str, file: Path) -> dict:
    """What a program's way takes in a process of its own on one thread (see `measured`)."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    spent = measured([sys.executable, program, "--way", way, "--file", str(file)], env=os.environ | threads)
    print(f"{way} on {file.stat().st_size / 1e9:.1f} GB: {spent}", flush=True)
    return spent


def measured(words: list[str], **options: object) -> dict:
    """CPU seconds, wall seconds and peak memory of a command with all processes that it waits for; what it printed.

    `options` are those of Popen. Raises SystemExit, with the command, if it fails.
    """
    start = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options) as process:
        output = process.stdout.read().decode().split()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"ended with status {process.returncode}; run it by hand: {shlex.join(words)}")
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.perf_counter() - start,
        "peak_mb": usage.ru_maxrss / 1024,
        "output": output,
    }
