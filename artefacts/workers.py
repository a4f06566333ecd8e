"""Worker processes: tasks in, results out in the same order, and one line whatever happens to a process."""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from artefacts.errors import UserError
from artefacts.shared_memory import Borrower, Lent, Piped, lender

log = logging.getLogger(__name__)
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
        self._borrower = Borrower()
        self._slow = False  # whether results came through the pipe

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, error: type | None, *_: object) -> None:
        if error is not None:
            self._kill()
        elif self._pool is not None:
            self._pool.shutdown()
            self._borrower = Borrower()

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
        return tree_map_only((Lent, Piped), self._received, result)

    def _received(self, sent: Lent | Piped) -> Tensor:
        if isinstance(sent, Lent):
            return self._borrower.tensor(sent)
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
        self._pool, self._borrower = None, Borrower()


_make = _function = None  # of a worker process


def _begin(make: Callable[[], Callable]) -> None:
    global _make
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent answers it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # else the parent's handler
    torch.set_num_threads(1)
    lender()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _make = make


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _call(task: object) -> object:
    global _function
    _function = _function or _make()  # here, so that what it raises reaches the parent
    try:
        return tree_map_only(Tensor, lender().lend, _function(task))
    finally:
        lender().end_task()
