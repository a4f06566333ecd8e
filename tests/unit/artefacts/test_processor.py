"""What a process asks of its machine."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from artefacts.processor import compute_on
if sys.argv[1] == "kept":
    compute_on(1)
for turn in range(20):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, torch.get_num_threads())
"""


def faults(way: str) -> tuple[int, int]:
    """Pages that the kernel had to clear for ten tensors of 64 MiB after ten others, and torch's threads."""
    output = subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True).stdout
    pages, threads = map(int, output.split())
    return pages, threads


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep its memory")
def test_memory_that_is_free_serves_the_next_tensors():
    (kept, threads), (returned, _) = faults("kept"), faults("plain")
    assert threads == 1
    assert kept < returned / 10
