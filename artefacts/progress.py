"""Progress with the time left, readable both in a terminal and in a log file."""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LINE = "{desc}: {n_fmt}/{total_fmt} {unit} [{elapsed} gone, {remaining} left, {rate_fmt}{postfix}]"


def bar(total: int, title: str, unit: str, done: int = 0, silent: bool = False) -> tqdm:
    """A progress bar: live in a terminal; in a log, one line at most every ten seconds; nothing if `silent`."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=unit,
        file=sys.stderr if live else _Lines(),
        mininterval=0.2 if live else 10,
        bar_format=None if live else LINE,
        dynamic_ncols=live,
        disable=silent,
    )


def track(items: Iterable[Item], title: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """The same items, with progress shown while they are consumed."""
    if total is None:
        total = len(items) if isinstance(items, Sized) else 0
    with bar(total, title, unit) as progress:
        for item in items:
            yield item
            progress.update()


class _Lines:
    """Standard error, each refresh of the bar on a line of its own."""

    def write(self, text: str) -> None:
        text = text.strip("\r\n ")
        if text:
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        sys.stderr.flush()
