"""GPUs of one's own: jobs that run side by side on a machine take different ones.

Snakemake counts GPUs (`--resources gpu=N`) but does not say which; each job would compute on the first.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

VISIBLE = "CUDA_VISIBLE_DEVICES"
_held = []  # locks, until this process ends


def visible_gpus() -> list[str]:
    """The GPUs that this process may use: those that CUDA_VISIBLE_DEVICES names, or all."""
    if (named := os.environ.get(VISIBLE)) is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def take_gpus(count: int, folder: Path | None = None) -> None:
    """Show this process and those that it starts `count` GPUs that no other job has taken; before CUDA is used.

    A scheduler's choice of as few is left as it is. Where too few are free, they are shared, and a line says so.
    `folder` keeps a lock a GPU; of all jobs of a user on this machine unless given.
    """
    visible = visible_gpus()
    if len(visible) <= count:
        return
    folder = folder or Path(tempfile.gettempdir())
    free = []
    for gpu in visible:
        if len(free) < count and _lock(folder / f"bpbreid-{os.getuid()}-gpu-{gpu.replace('/', '_')}.lock"):
            free.append(gpu)
    if len(free) < count:
        print(f"only {len(free)} of {len(visible)} GPUs are free, {count} are wanted: sharing", file=sys.stderr)
        free += [gpu for gpu in visible if gpu not in free][: count - len(free)]
    os.environ[VISIBLE] = ",".join(free)


def torch_device() -> str:
    """Torch's name of where this process computes: "cuda", on a GPU that is taken, or "cpu", without loading torch."""
    if not visible_gpus():
        return "cpu"
    take_gpus(1)
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _lock(path: Path) -> bool:
    """Whether no other process holds this lock; then this one does, until it ends, however it ends."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return False
    _held.append(lock)
    return True
