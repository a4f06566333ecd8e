"""How fast a device is at something, how much of its memory that takes, and for how much of the time it has work."""

import gc
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

Way = Callable[[int], object]  # does so many steps; may leave work queued on the device


@dataclass(frozen=True)
class Plan:
    """Steps that warm up, `repeats` of `steps` that are timed, then steps that are profiled, each on `images`."""

    images: int
    warmup: int
    steps: int
    repeats: int
    profiled: int = 10


@dataclass(frozen=True)
class Figures:
    """Images a second, the median of the repeats and their range; the most memory that tensors held, in MiB; the share
    of time in which a kernel ran on the GPU. The last two are None on the CPU."""

    rate: float
    slowest: float
    fastest: float
    memory: float | None
    busy: float | None


def measured(way: Way, plan: Plan, device: torch.device) -> Figures:
    """What a way of doing something is worth on `device`."""
    way(plan.warmup)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)  # cuDNN's trials take memory that no later step does
    seconds = [_seconds(way, plan.steps, device) for _ in range(plan.repeats)]
    rates = [plan.images * plan.steps / spent for spent in seconds]
    memory = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else None
    busy = _busy(way, plan.profiled, device) if on_gpu else None
    return Figures(statistics.median(rates), min(rates), max(rates), memory, busy)


def _seconds(way: Way, steps: int, device: torch.device) -> float:
    """Wall time of the steps, until the device has done them."""
    begun = time.perf_counter()
    way(steps)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def _busy(way: Way, steps: int, device: torch.device) -> float | None:
    """The share of the steps' wall time in which a kernel ran; None where none is seen, as without rights to profile.

    Only the GPU is recorded, which slows the host less.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            wall = _seconds(way, steps, device)
        profiler.export_chrome_trace(str(path))
        return busy_seconds(json.loads(path.read_text())["traceEvents"]) / wall or None


def busy_seconds(events: Iterable[dict]) -> float:
    """Seconds in which at least one kernel of a Chrome trace ran; copies do not count."""
    kernels = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event.get("cat") == "kernel")
    total, end = 0.0, float("-inf")
    for start, stop in kernels:
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total / 1e6


def set_free(device: torch.device) -> None:
    """Hand back what nothing refers to any more, so that the next way finds the device empty."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def lacks(precision: str, device: torch.device) -> str | None:
    """Why this device does not compute in this precision; None if it does."""
    if device.type == "cpu":
        return "TF32 needs a GPU" if precision == "tf32" else None
    if precision == "tf32" and torch.cuda.get_device_capability(device) < (8, 0):
        return "TF32 needs a card from Ampere on"
    if precision == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "this card has no bfloat16"
    return None


def about(device: torch.device) -> dict[str, object]:
    """Card, driver and libraries, for a report; of a CPU nothing but its threads."""
    if device.type == "cpu":
        return {"device": "cpu", "threads": torch.get_num_threads()}
    card = torch.cuda.get_device_properties(device)
    return {
        "device": card.name,
        "memory_mib": card.total_memory // 2**20,
        "capability": f"{card.major}.{card.minor}",
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "threads": torch.get_num_threads(),
    }


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"
