"""Where the time of a training step goes: a trace of ten of them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from artefacts.files import replacing

log = logging.getLogger(__name__)
WARMUP, STEPS, ROWS = 3, 10, 40  # steps that are passed over, then recorded; lines of the table


@contextmanager
def profiling(path: Path | None) -> Iterator[Callable[[], None]]:
    """What to call after every step, so that ten early ones are recorded; without `path`, nothing is.

    The Chrome trace goes to `path` (for chrome://tracing or ui.perfetto.dev), a table of the operations that took
    longest next to it, with .txt behind the name, once the steps are done; or at the end, of those that there were.
    """
    if path is None:
        yield lambda: None
        return
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    written: list[Path] = []
    with profile(
        activities=activities,
        schedule=schedule(wait=0, warmup=WARMUP, active=STEPS, repeat=1),
        on_trace_ready=lambda profiler: written.append(_write(profiler, path)),
    ) as profiler:
        yield profiler.step
    if not written:
        log.warning("%s was not written: the training has fewer than %d steps", path, WARMUP)


def _write(profiler: profile, path: Path) -> Path:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    longest = profiler.key_averages().table(f"self_{device}_time_total", row_limit=ROWS, max_name_column_width=60)
    table = path.with_name(f"{path.name}.txt")
    with replacing(path) as temporary:
        profiler.export_chrome_trace(str(temporary))
    with replacing(table) as temporary:
        temporary.write_text(longest)
    log.info("the trace of up to %d steps is in %s, what took longest in %s", STEPS, path, table)
    return path
