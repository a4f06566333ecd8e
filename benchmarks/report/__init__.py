"""Reports of benchmarks: rows of what was measured, with where and at which commit. `python -m benchmarks.report`."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import NotRequired, TypedDict

from artefacts.files import write_json

PROJECT = Path(__file__).resolve().parents[2]
VERSIONS = ("torch", "numpy")


class Row(TypedDict):
    """What was compared: the usual way's number and ours, in the unit that `what` names, their ratio, and its bound.

    `ratio` must be `target` or more, or `most` or less; neither, where nothing is wanted of it.
    """

    what: str
    theirs: float | None
    ours: float | None
    ratio: float | None
    target: NotRequired[float]
    most: NotRequired[float]


def write_report(path: Path, rows: list[Row], **machine: object) -> None:
    """Write the rows with the processor, commit and versions that they were measured at; `machine` adds to these."""
    versions = {name: metadata.version(name) for name in VERSIONS}
    measured = {"processor": processor(), "commit": commit(), "python": platform.python_version()}
    write_json(path, {"measured": measured | versions | machine, "rows": rows})


def missed(rows: list[Row]) -> list[str]:
    """What is not as it is wanted."""
    return [
        row["what"]
        for row in rows
        if row["ratio"] is not None and not row.get("target", 0) <= row["ratio"] <= (row.get("most") or float("inf"))
    ]


def processor() -> str:
    """Name of the processor and, of an x86 one, the widest arithmetic that speed depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    told = {key.strip(): value.strip() for key, value in told.items()}
    flags = told.get("flags", "").split()
    wide = [
        name
        for flag, name in (("avx512f", "AVX-512"), ("avx512_bf16", "bfloat16"), ("amx_bf16", "AMX"))
        if flag in flags
    ]
    return ", ".join([told.get("model name", platform.machine()), *wide])


def commit() -> str:
    """The commit that is checked out, with `+` where files differ from it; `unknown` outside a clone."""
    git = ["git", "-C", str(PROJECT)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "*.py"], capture_output=True).returncode
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.strip() + "+" * bool(changed)
