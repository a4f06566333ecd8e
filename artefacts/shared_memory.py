"""Tensors on their way from a worker process to its parent: in shared memory that is used again and again.

A new shared memory costs a page fault every 4 KiB, sending it a conversation between the processes, and copying into it
a tenth of the time of loading a batch. So a worker uses its memories again, the parent keeps those that it has mapped,
and a worker's function can write its result where it is sent from (`zeros`).
"""

import itertools
import math
import os
import weakref

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

SMALL = 1 << 16  # bytes of a tensor that travels through the pipe


def zeros(shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    """An array of zeros for what a function returns to `Workers`; within a worker, a tensor over it is not copied.

    The memory of one that a function does not return is used again for its next task.
    """
    return np.zeros(shape, np.uint8) if _lender is None else _lender.zeros(shape)


class Memory:
    """Shared memory of a worker: bytes, then one that is 1 while they are in use, by whichever process."""

    _numbers = itertools.count()

    def __init__(self, length: int) -> None:
        self.name = os.getpid(), next(Memory._numbers)
        self.bytes = torch.empty(length + 1, dtype=torch.uint8).share_memory_()
        self.known = False  # to the parent

    def __len__(self) -> int:
        return len(self.bytes) - 1

    @property
    def used(self) -> bool:
        return bool(self.bytes[-1])

    @used.setter
    def used(self, used: bool) -> None:
        self.bytes[-1] = used


class Lent:
    """A tensor in a memory, which is in use until nothing in the parent refers to the tensor."""

    def __init__(self, memory: Memory, tensor: Tensor) -> None:
        self.name, self.bytes = memory.name, None if memory.known else memory.bytes
        memory.known = memory.used = True
        self.dtype, self.size, self.length = tensor.dtype, tensor.size(), tensor.nbytes
        self.stride = dense_stride(tensor)

    def over(self, content: UInt8[Tensor, " N"]) -> Tensor:
        return content[: self.length].view(self.dtype).as_strided(self.size, self.stride)


def dense_stride(tensor: Tensor) -> tuple[int, ...]:
    """The tensor's own, unless it has gaps or shows a number twice."""
    return torch.empty_like(tensor, device="meta").stride()


class Piped:
    """A tensor on its way without shared memory: a small one, or `large` where no shared memory is left."""

    def __init__(self, tensor: Tensor) -> None:
        self.array, self.large = tensor.numpy(), tensor.nbytes > SMALL


class Lender:
    """The memories of a worker."""

    def __init__(self) -> None:
        self._memories: list[Memory] = []
        self._written: dict[int, Memory] = {}  # by their address: what the function of this task got from `zeros`

    def zeros(self, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
        length = math.prod(shape)
        memory = self._free(length) if length > SMALL else None
        if memory is None:
            return np.zeros(shape, np.uint8)
        memory.used = True
        self._written[memory.bytes.data_ptr()] = memory
        array = memory.bytes[:length].numpy().reshape(shape)
        array.fill(0)
        return array

    def lend(self, tensor: Tensor) -> Lent | Piped:
        """The tensor, ready to be sent."""
        if tensor.nbytes <= SMALL:
            return Piped(tensor)
        if tensor.data_ptr() in self._written and tensor.stride() == dense_stride(tensor):
            return Lent(self._written.pop(tensor.data_ptr()), tensor)
        memory = self._free(tensor.nbytes)
        if memory is None:
            return Piped(tensor)
        lent = Lent(memory, tensor)
        lent.over(memory.bytes).copy_(tensor)
        return lent

    def end_task(self) -> None:
        """Take back what the function was given and has not returned."""
        for memory in self._written.values():
            memory.used = False
        self._written.clear()

    def _free(self, length: int) -> Memory | None:
        """The smallest memory out of use that has so many bytes, or a new one; None where none is to be had."""
        fit = [memory for memory in self._memories if len(memory) >= length and not memory.used]
        if fit:
            return min(fit, key=len)
        try:
            self._memories.append(Memory(length))
        except RuntimeError:  # no room in /dev/shm, or no file descriptor left
            return None
        return self._memories[-1]


class Borrower:
    """The memories of all its workers, in the parent."""

    def __init__(self) -> None:
        self._memories: dict[tuple[int, int], Tensor] = {}

    def tensor(self, lent: Lent) -> Tensor:
        """What was sent; its worker may use the memory again once nothing refers to the tensor."""
        memory = self._memories.setdefault(lent.name, lent.bytes).numpy()
        content = memory[:-1]  # every tensor over it keeps it
        weakref.finalize(content, memory.__setitem__, -1, 0).atexit = False
        return lent.over(torch.from_numpy(content))


_lender: Lender | None = None


def lender() -> Lender:
    """That of this process, which is a worker."""
    global _lender
    _lender = _lender or Lender()
    return _lender
