"""Worker processes: tasks in, results out in the same order, and one line whatever happens to a process."""

import logging
import multiprocessing
import os
import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils._pytree import tree_map_only

from artefacts.errors import UserError

log = logging.getLogger(__name__)
SMALL = 1 << 16  # bytes of a tensor that travels through the pipe
AHEAD = 2  # tasks a process that are given out before their results are asked for, as torch's DataLoader does
FEWER = "use fewer threads (--set-threads)"
SHARE = "give a container more shared memory (docker run --shm-size=1g)"
ADVICE = {
    "SIGKILL": f"the kernel does so when memory is used up: give the job more, or {FEWER}",
    "SIGBUS": f"shared memory is used up: {SHARE}, or {FEWER}",
}


class WorkerFailed(UserError):
    """A worker process has ended, or it delivers nothing."""


class Workers:
    """So many processes that call a function on tasks; `make()` gives each process its function. 0: this process.

    Tensors among the results travel in shared memory, and where that is used up through a pipe, more slowly.
    `purpose` says what a process does; one that delivers nothing for `patience` seconds has failed. `start` is the
    start method; `make` is pickled unless it is fork. As a context: the processes end with it.
    """

    def __init__(
        self, processes: int, make: Callable[[], Callable], purpose: str, patience: float, start: str = "fork"
    ) -> None:
        self.processes, self.make, self.purpose, self.patience, self.start = processes, make, purpose, patience, start
        self._pool: ProcessPoolExecutor | None = None
        self._slow = False  # whether results came through the pipe

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, error: type | None, *_: object) -> None:
        if error is not None:
            self._kill()
        elif self._pool is not None:
            self._pool.shutdown()

    def map(self, tasks: Iterable) -> Iterator:
        """The results of the tasks. Processes outlive it, but are killed if it ends before its last result.

        Raises WorkerFailed if a process ends, cannot be started or delivers nothing, and what the function raises.
        """
        if not self.processes:
            yield from map(self.make(), tasks)
            return
        pending: deque[Future] = deque()
        try:
            for task in tasks:
                pending.append(self._submit(task))
                if len(pending) > AHEAD * self.processes:
                    yield self._result(pending.popleft())
            while pending:
                yield self._result(pending.popleft())
        except BaseException:
            self._kill()
            raise

    def _submit(self, task: object) -> Future:
        try:
            if self._pool is None:
                context = multiprocessing.get_context(self.start)
                self._pool = ProcessPoolExecutor(self.processes, context, _begin, (self.make,))
            return self._pool.submit(_call, task)
        except BrokenProcessPool as error:
            raise WorkerFailed(self._end(error)) from None
        except OSError as error:
            raise WorkerFailed(f"cannot start {self.processes} processes ({error.strerror}); {FEWER}") from None

    def _result(self, future: Future) -> object:
        try:
            result = future.result(self.patience)
        except BrokenProcessPool as error:
            raise WorkerFailed(self._end(error)) from None
        except TimeoutError:
            if future.done():  # the function's own
                raise
            raise WorkerFailed(
                f"a process that {self.purpose} delivered nothing for {self.patience:.0f} s; see whether the disk "
                "answers, and run again"
            ) from None
        return tree_map_only((_Lent, _Piped), self._received, result)

    def _received(self, sent: "_Lent | _Piped") -> Tensor:
        if isinstance(sent, _Lent):
            return sent.tensor()
        if sent.large and not self._slow:
            log.warning("shared memory is used up, batches take a slower way: %s, or %s", SHARE, FEWER)
        self._slow = self._slow or sent.large
        return torch.from_numpy(sent.array)

    def _end(self, error: BrokenProcessPool) -> str:
        """How a process ended; the pool then ends the others by SIGTERM."""
        processes = self._started()
        for process in processes:
            process.join(1)
        codes = {process.exitcode or 0 for process in processes} - {0, -signal.SIGTERM}
        if not codes:
            reason = str(error.__cause__ or error).strip(" '\n").splitlines()[-1]
            return f"a process that {self.purpose} failed ({reason}); run again, or {FEWER}"
        code = codes.pop()
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"a process that {self.purpose} ended by {how}; {ADVICE.get(how, 'run again, or ' + FEWER)}"

    def _started(self) -> list[BaseProcess]:
        return list((self._pool._processes or {}).values()) if self._pool else []

    def _kill(self) -> None:
        """End all processes, also those that hang."""
        for process in self._started():
            process.kill()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None


class _Piped:
    """A tensor on its way without shared memory: a small one, or `large` where no shared memory is left."""

    def __init__(self, tensor: Tensor) -> None:
        self.array, self.large = tensor.numpy(), tensor.nbytes > SMALL


class _Lent:
    """A tensor in shared memory that its worker uses again once nothing in the parent refers to the tensor.

    New shared memory costs a page fault every 4 KiB, as much time as a fifth of loading a batch.
    """

    def __init__(self, memory: UInt8[Tensor, " N"], tensor: Tensor) -> None:
        self.memory = memory  # of the tensor's bytes, then one that is 1 while the tensor is lent
        self.dtype, self.size = tensor.dtype, tensor.size()
        self.stride = torch.empty_like(tensor, device="meta").stride()  # the tensor's, unless it has gaps

    def fill(self, tensor: Tensor) -> None:
        self._over(self.memory[:-1]).copy_(tensor)
        self.memory[-1] = 1

    def tensor(self) -> Tensor:
        """The tensor, in the parent."""
        memory = self.memory.numpy()
        content = memory[:-1]  # every tensor over it keeps it
        weakref.finalize(content, memory.__setitem__, -1, 0).atexit = False
        return self._over(torch.from_numpy(content))

    def _over(self, content: UInt8[Tensor, " N"]) -> Tensor:
        return content.view(self.dtype).as_strided(self.size, self.stride)


class _Lender:
    """The shared memory of a worker."""

    def __init__(self) -> None:
        self._memories: dict[int, list[Tensor]] = {}  # by their bytes

    def lend(self, tensor: Tensor) -> "_Lent | _Piped":
        """The tensor, ready to be sent."""
        if tensor.nbytes <= SMALL:
            return _Piped(tensor)
        try:
            lent = _Lent(self._free(tensor.nbytes), tensor)
        except RuntimeError:  # no room in /dev/shm, or no file descriptor left
            return _Piped(tensor)
        lent.fill(tensor)
        return lent

    def _free(self, length: int) -> UInt8[Tensor, " N"]:
        memories = self._memories.setdefault(length, [])
        for memory in memories:
            if not memory[-1]:
                return memory
        memories.append(torch.empty(length + 1, dtype=torch.uint8).share_memory_())
        return memories[-1]


_lender = _Lender()
_make = _function = None  # of a worker process


def _begin(make: Callable[[], Callable]) -> None:
    global _make
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent answers it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # else the parent's handler
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _make = make


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _call(task: object) -> object:
    global _function
    _function = _function or _make()  # here, so that what it raises reaches the parent
    return tree_map_only(Tensor, _lender.lend, _function(task))
