"""Which name is wrong in a requested file, where no rule makes it."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping

NEAREST = 3  # names that a message offers


def misnamed(target: str, patterns: Iterable[str], names: Mapping[str, Collection[str]]) -> str | None:
    """One line about the first wildcard of `target` whose value is not one of its `names`; None where all are.

    `patterns` are the files that rules make, as `results/{dataset}/manifest.csv`. Of several that fit, the one counts
    with which the fewest values are wrong.
    """
    target = os.path.relpath(target or ".")
    wrong = [wrong for pattern in patterns if (wrong := _wrong(target, pattern, names)) is not None]
    first = next(iter(min(wrong, key=len, default=[])), None)
    if first is None:
        return None
    kind, value = first
    return f"{target}: there is no {kind} {value!r}; {_offer(value, names[kind])}"


def _wrong(target: str, pattern: str, names: Mapping[str, Collection[str]]) -> list[tuple[str, str]] | None:
    """The wildcards of a pattern that fits, with values that are none of theirs; None where it does not fit."""
    found = re.fullmatch(_expression(pattern), target)
    if found is None:
        return None
    return [(kind, value) for kind, value in found.groupdict().items() if kind in names and value not in names[kind]]


def _expression(pattern: str) -> str:
    """The regular expression of a pattern, in which a wildcard is any name without a slash."""
    known: set[str] = set()
    pieces = re.split(r"\{(\w+)\}", pattern)  # text and wildcards in turn
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        pieces[place] = f"(?P={name})" if name in known else f"(?P<{name}>[^/]+?)"
        known.add(name)
    return "".join(piece if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))


def _offer(value: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(value, names, NEAREST)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
