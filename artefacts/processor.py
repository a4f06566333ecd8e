"""What this machine's processor can do."""

import sys

import torch


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers in hardware."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def warn_of_slow_bfloat16(device: torch.device, key: str) -> None:
    """Say that bfloat16, asked for by a key of the configuration, does not pay on this processor, if that is so."""
    if device.type == "cpu" and not has_bfloat16():
        print(f"this processor has no bfloat16 instructions: {key} float32 is faster here", file=sys.stderr)
