"""What this machine's processor can do, and how torch is to compute on it or on a GPU."""

import ctypes
import sys

import torch

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of glibc's mallopt(3)


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers in hardware."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def warn_of_slow_bfloat16(device: torch.device, key: str) -> None:
    """Say that bfloat16, asked for by a key of the configuration, does not pay on this processor, if that is so."""
    if device.type == "cpu" and not has_bfloat16():
        print(f"this processor has no bfloat16 instructions: {key} float32 is faster here", file=sys.stderr)


def compute_on(threads: int) -> None:
    """Let torch compute on so many threads of this process, in memory that it keeps from one batch to the next.

    glibc hands large tensors back to the kernel, which has to clear every page of the next ones: a tenth of the time of
    a step on a CPU. Other C libraries are left as they are.
    """
    torch.set_num_threads(threads)
    setting = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if setting is not None:
        setting(MMAP_MAX, 0)
        setting(TRIM_THRESHOLD, -1)


def best_device() -> torch.device:
    """The accelerator that torch finds here (CUDA, MPS, XPU, …), or else the CPU."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")


def choose_convolutions(tf32: bool, benchmark: bool) -> None:
    """How a GPU's convolutions are computed; a CPU's are left as they are.

    With `tf32`, factors are rounded to 10 bits where the GPU has TF32 (from Ampere on), sums are not: several times
    faster. With `benchmark`, cuDNN times its algorithms once for each shape and keeps the fastest, which may be another
    one in the next run.
    """
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = tf32, benchmark
