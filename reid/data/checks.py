"""What must hold of a dataset before it has a manifest at all; what else may be wrong with it: `reid.data.protocol`."""

from collections import Counter
from collections.abc import Iterable, Sequence

from artefacts.errors import UserError
from artefacts.manifest import DISTRACTOR, ImageRow

# What it means if a split has the second number of images where the first was expected.
LIKELY = {
    (15_913, 13_115): "the distractors are missing, whose names begin with 0000",
    (15_913, 515_913): "the 500,000 distractors are counted in; expect 515,913 then",
    (15_618, 16_522): "this is the training half of DukeMTMC-reID; convert it with the lists of Occluded-Duke",
    (16_522, 15_618): "this is the training half of Occluded-Duke",
    (2_210, 2_228): "these are the queries of DukeMTMC-reID; convert it with the lists of Occluded-Duke",
    (2_228, 2_210): "these are the queries of Occluded-Duke",
    (32_621, 30_248): "the 2,373 images of list_val.txt are missing, which the publication trains on",
    (30_248, 32_621): "those of list_val.txt are counted in",
    (7_365, 7_368): "these are the labeled boxes, not the detected ones",
    (7_368, 7_365): "these are the detected boxes, not the labeled ones",
    (5_332, 5_328): "these are the labeled boxes, not the detected ones",
    (5_328, 5_332): "these are the detected boxes, not the labeled ones",
}


def check_counts(rows: Sequence[ImageRow], expected: dict[str, int], where: str) -> None:
    """Raises UserError if a split does not have the `expected` number of images; `where` is the dataset's entry.

    The message says how many are missing or too many, and what is the likely reason.
    """
    found = Counter(row.split for row in rows)
    wrong = [_difference(split, count, found[split]) for split, count in expected.items() if found[split] != count]
    if wrong:
        raise UserError(
            f"{where}: {'; '.join(wrong)}. Complete the copy, or change {where}.expected in config.yaml if the "
            "dataset is meant to be so (junk, identity -1, does not count)"
        )


def _difference(split: str, expected: int, found: int) -> str:
    missing = expected - found
    reason = "copied or unpacked in part" if missing > 0 else "images were added, or two versions are mixed"
    known = LIKELY.get((expected, found), reason)
    amount = f"{missing:,} missing" if missing > 0 else f"{-missing:,} too many"
    return f"{split} has {found:,} images instead of {expected:,} ({amount}: {known})"


def check_splits(rows: Sequence[ImageRow], splits: Iterable[str], where: str) -> None:
    """Raises UserError if one of `splits` has no image but junk, or none that can be read; `where` is the dataset."""
    for split in splits:
        readable = [row.readable for row in rows if row.split == split]
        if not readable:
            raise UserError(f"{where}: {split} holds no image of a person (junk does not count); {_remedy(split)}")
        if not any(readable):
            raise UserError(f"{where}: {split} holds no image that can be read; copy its images again")


def _remedy(split: str) -> str:
    return {
        "train": "add images of people to it, or raise split.train if splits are drawn, or name another in trains_on",
        "query": "add images of people to it; if splits are drawn, of people whom two cameras see",
        "gallery": "add images of people to it",
    }[split]


def check_distractors(rows: Sequence[ImageRow]) -> None:
    """Raises UserError for a distractor outside the gallery."""
    for row in rows:
        if row.identity == DISTRACTOR and row.split != "gallery":
            raise UserError(f"{row.key}: identity 0 marks distractors of the gallery; number people from 1")


def check_keys(keys: Iterable[str], where: str) -> None:
    """Raises UserError if an image is there twice, as where two folders of the dataset's entry `where` are one."""
    twice = next((key for key, count in Counter(keys).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"{where}: {twice!r} is listed twice; name every folder and every image once")
