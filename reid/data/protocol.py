"""What must hold of a dataset before anything is computed from it, and what its user should at least be told."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from artefacts.errors import UserError
from reid.data.manifest import DISTRACTOR, ImageRow


def check_counts(rows: Sequence[ImageRow], expected: dict[str, int], where: str) -> None:
    """Raises UserError if a split does not have the `expected` number of images; `where` is the dataset's entry."""
    found = Counter(row.split for row in rows)
    wrong = [f"{split} has {found[split]:,} images instead of {count:,}" for split, count in expected.items()
             if found[split] != count]  # fmt: skip
    if wrong:
        raise UserError(
            f"{where}: {', '.join(wrong)}; complete the copy, or change {where}.expected in config.yaml if the "
            "dataset is meant to be so (junk, identity -1, does not count)"
        )


def check_splits(rows: Sequence[ImageRow], splits: Iterable[str], where: str) -> None:
    """Raises UserError if one of `splits` has no image but junk, or none that can be read; `where` is the dataset."""
    for split in splits:
        readable = [row.readable for row in rows if row.split == split]
        if not readable:
            raise UserError(f"{where}: {split} holds only junk images (identity -1); add images of people to it")
        if not any(readable):
            raise UserError(f"{where}: {split} holds no image that can be read; copy its images again")


def check_identities(rows: Sequence[ImageRow]) -> None:
    """Raises UserError for a distractor outside the gallery, and for a training identity without a pair of images."""
    for row in rows:
        if row.identity == DISTRACTOR and row.split != "gallery":
            raise UserError(f"{row.key}: identity 0 marks distractors of the gallery; number people from 1")
    keys: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        if row.split == "train":
            keys[row.identity] += [row.key] if row.readable else []
    lonely = [(identity, its_keys) for identity, its_keys in sorted(keys.items()) if len(its_keys) < 2]
    if lonely:
        identity, its_keys = lonely[0]
        raise UserError(
            f"training identity {identity:04d} has only {len(its_keys)} readable image{and_others(len(lonely))}; "
            "sampling and triplets need two: add images of it, or move it out of the training folder"
        )


def warnings(rows: Sequence[ImageRow]) -> Iterator[str]:
    """What is odd about a dataset but need not be wrong, a line each."""
    queries = [row for row in rows if row.split == "query"]
    seen_by: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row.split == "gallery":
            seen_by[row.identity].add(row.camera)
    absent = [row for row in queries if row.identity not in seen_by]
    if absent:
        yield f"{_some(absent, 'query')} of people whom the gallery does not show; evaluation leaves them out"
    same = [row for row in queries if seen_by.get(row.identity) == {row.camera}]
    if same:
        yield f"{_some(same, 'query')} of people whom the gallery shows on the query's camera only; they are left out"
    shared = {row.identity for row in rows if row.split == "train"} & {row.identity for row in queries}
    if shared:
        yield f"{len(shared)} identities (first {min(shared)}) are in both train and query; the two halves share nobody"
    unreadable = [row for row in rows if not row.readable]
    if unreadable:
        yield f"{_some(unreadable, 'image')} that cannot be read; `labels.unreadable` says what becomes of them"
    yield from _duplicates(rows)


def _duplicates(rows: Iterable[ImageRow]) -> Iterator[str]:
    same_content: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        same_content[row.sha256].append(row)
    across = [same for same in same_content.values() if len({row.split for row in same}) > 1]
    if across:
        yield f"{len(across)} files are in several splits with the same content: first {_keys(across[0])}"
    between = [same for same in same_content.values() if len({row.identity for row in same}) > 1]
    if between:
        yield f"{len(between)} files have the same content under different identities: first {_keys(between[0])}"


def _keys(rows: list[ImageRow]) -> str:
    return " and ".join(row.key for row in rows[:2])


def _some(rows: list[ImageRow], kind: str) -> str:
    plural = {"query": "queries", "image": "images"}[kind]
    return f"{len(rows)} {plural} (first {rows[0].key})"


def and_others(count: int) -> str:
    """Words for the others of `count` cases of which the first has been named; none if it is the only one."""
    return f" (and {count - 1} more like it)" if count > 1 else ""
