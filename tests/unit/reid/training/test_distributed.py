"""Gradients through what processes gather from each other, against those of one process that has everything."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather

from reid.training.distributed import run_in_processes, whole_batch

PROCESSES, SHARE = 2, 3


def by_torch(share: Tensor) -> Tensor:
    with warnings.catch_warnings(action="ignore"):
        return torch.cat(all_gather(share))


GATHERS = {"ours": whole_batch, "torch": by_torch}


def loss(parts: Tensor) -> Tensor:
    """Its gradient does not lie in memory as `parts` do; nor does that of a loss on a transposed embedding."""
    turned = parts.permute(0, 2, 1).contiguous()
    return (turned * torch.arange(turned.numel()).view_as(turned)).sum()


def write_gradients(folder: Path) -> int:
    """Write the gradients of every gather. Runs in several processes."""
    distributed.init_process_group("gloo")
    rank, found = distributed.get_rank(), {}
    for name, gather in GATHERS.items():
        share = batch().split(SHARE)[rank].clone().requires_grad_()
        loss(gather(share)).backward()
        found[name] = share.grad
    torch.save(found, folder / f"{rank}.pt")
    return 0


def batch() -> Tensor:
    return torch.randn(PROCESSES * SHARE, 3, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_gradients_come_back_from_all_processes_where_torch_s_own_gather_mixes_them_up(tmp_path):
    run_in_processes(write_gradients, tmp_path, PROCESSES)
    expected = batch().requires_grad_()
    loss(expected).backward()
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(PROCESSES)]
    whole = {name: torch.cat([one[name] for one in found]) for name in GATHERS}
    torch.testing.assert_close(whole["ours"], PROCESSES * expected.grad)  # which DistributedDataParallel's mean undoes
    assert not torch.allclose(whole["torch"], PROCESSES * expected.grad)  # else torch's can take our place
