"""Disks as `survive` disturbs them: mounts, dates, and what files hold."""

import os
import subprocess
import time
from pathlib import Path


def contents(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (project / "results").rglob("*") if path.is_file()}


def redate(folder: Path) -> None:
    for number, path in enumerate(sorted(folder.rglob("*"))):
        date = time.time() + (86400 if number % 2 else -86400 * 365)
        os.utime(path, (date, date))


def mount(*words: object) -> None:
    """Raises AssertionError where mounting is not allowed (it takes root)."""
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"cannot be tried here: {done.stderr.strip()}"
