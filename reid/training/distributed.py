"""Several processes that train one model, each on its share of every batch.

Metric learning mines the hardest pairs of a batch, so every process must see the whole of it. Embeddings, attention
and labels are gathered from all processes, and each computes the same losses on the same whole batch: the gradient that
comes back through `whole_batch` is the sum over the processes, which DistributedDataParallel's mean undoes. So the
training is the one of a single process, up to rounding and the batch statistics of a backbone's BatchNorm on CPUs.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable

import torch
from torch import Tensor, distributed

from artefacts.errors import UserError

GRACE = 8  # seconds that a process has to save and end


def whole_batch(share: Tensor) -> Tensor:
    """The batch [N, …] of all processes from this one's `share` [N / processes, …], in their order; differentiable."""
    return _Gathered.apply(share)


class _Gathered(torch.autograd.Function):
    """In place of torch's, which under gloo mixes up gradients that are not contiguous."""

    @staticmethod
    def forward(context, share: Tensor) -> Tensor:
        context.length = len(share)
        shares = [torch.empty_like(share) for _ in range(distributed.get_world_size())]
        distributed.all_gather(shares, share.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        total = gradient.contiguous()
        distributed.all_reduce(total)
        return total.split(context.length)[distributed.get_rank()]


def run_in_processes(function: Callable[..., int], argument: object, processes: int) -> None:
    """Call `function(argument)` in each of so many processes of this machine, which find each other on loopback.

    It returns an exit status. If one process fails, all end, and this one with its status; UserError if it was killed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it tells whom it ends
    context = torch.multiprocessing.spawn(_worker, (function, argument, processes, port), processes, join=False)
    try:
        while not context.join():
            pass
    except torch.multiprocessing.ProcessExitedException as error:
        if error.exit_code > 0:  # and has said why
            sys.exit(error.exit_code)
        raise UserError(
            f"training process {error.error_index} of {processes} was ended by {error.signal_name}; the kernel does so "
            "when memory is used up: give the job more, or lower models.*.training.processes"
        ) from None
    finally:  # a signal ended this process: the others save and end too
        for process in context.processes:
            process.terminate()
        for process in context.processes:
            process.join(GRACE)
            process.kill()


def _worker(process: int, function: Callable[..., int], argument: object, processes: int, port: int) -> None:
    names = {"RANK": process, "LOCAL_RANK": process, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    status = function(argument)
    if distributed.is_initialized():
        distributed.destroy_process_group()
    sys.exit(status)
