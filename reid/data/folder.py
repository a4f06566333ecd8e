"""What a dataset's folder holds besides the images of its manifest, and what its names of splits were taken for.

Stage manifest finds it out, stage protocol says it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from artefacts.config import Count, Section
from artefacts.errors import UserError
from artefacts.folders import Kind, walk
from reid.data.readers.files import ending, is_image
from reid.data.readers.names import JUNK, Name

Reason = Literal["not_an_image", "not_in_a_split", "hidden", "link", "closed", "no_file"]


class PassedOver(Section):
    """Files that are no images of the dataset, for one reason and with one ending."""

    ending: str  # in lower case, with its point; empty where it does not matter
    reason: Reason
    files: Count
    first: str  # the first of them


class SplitName(Section):
    """What a folder or a word was taken for."""

    name: str
    split: str  # of SPLITS
    images: Count


class FolderRecord(Section):
    """results/{dataset}/folder.json."""

    junk: int  # images of identity -1, or of the junk_identity
    splits: list[SplitName]
    passed_over: list[PassedOver]


def folder_record(root: Path, names: Iterable[Name], drawn: bool) -> FolderRecord:
    """What can be said of a folder from which `names` were read; of one that the workflow has `drawn`, nothing.

    Raises UserError if the folder cannot be listed.
    """
    names = list(names)
    words = Counter((name.split_name, name.split) for name in names if name.split_name)
    return FolderRecord(
        junk=sum(name.identity == JUNK for name in names),
        splits=[SplitName(name=word, split=split, images=count) for (word, split), count in sorted(words.items())],
        passed_over=[] if drawn else list(_passed_over(root, {name.key for name in names})),
    )


def read_folder_record(path: Path) -> FolderRecord:
    """The record in a file. Raises UserError if there is none."""
    try:
        return FolderRecord.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise UserError(f"{path}: is missing or damaged; run the manifest stage again") from None


def _passed_over(root: Path, used: set[str]) -> Iterator[PassedOver]:
    found: dict[tuple[Reason, str], list[str]] = defaultdict(list)
    for key, kind, _ in walk(root):
        if key not in used:
            reason = _reason(key, kind)
            found[reason, ending(key) if reason in ("not_an_image", "not_in_a_split") else ""].append(key)
    for (reason, end), keys in sorted(found.items()):
        first = min(keys).encode("utf-8", "backslashreplace").decode()
        yield PassedOver(ending=end, reason=reason, files=len(keys), first=first)


def _reason(key: str, kind: Kind) -> Reason:
    if kind != "file":
        return kind
    return "not_in_a_split" if is_image(key) else "not_an_image"
