"""What a search in a dataset can find at all, and what is wrong with it: the protocol of Market-1501 (Section 4.1).

Every query is compared with the whole gallery. Gallery images of its identity are positives if another camera took
them; those of its own camera are left out. A query without a positive is left out of all means.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from artefacts.manifest import DISTRACTOR, ImageRow
from reid.config.dataset import Finding

TEST = ("query", "gallery")


class QueryRelevance(NamedTuple):
    """What one query can find."""

    query: ImageRow
    positives: int  # gallery images of its identity from other cameras
    left_out: int  # those from its own camera


class Problem(NamedTuple):
    """One thing that is wrong with a dataset."""

    name: Finding | Literal["unreadable"]
    cases: list[str]  # keys or names
    says: str  # what they are, in the plural
    means: str  # what it does to the results
    change: str  # what to do about it

    def accepting(self, dataset: str) -> str:
        """What to do to go on with the dataset as it is."""
        if self.name == "unreadable":
            return "set labels.unreadable to leave_out"
        return f"add {self.name} to datasets.{dataset}.allow"


def count_positives(rows: Iterable[ImageRow]) -> list[QueryRelevance]:
    """What every readable query can find among the readable gallery images, in the order of the rows."""
    rows = [row for row in rows if row.readable]
    gallery = [row for row in rows if row.split == "gallery" and row.identity != DISTRACTOR]
    of_identity = Counter(row.identity for row in gallery)
    of_both = Counter((row.identity, row.camera) for row in gallery)
    queries = [row for row in rows if row.split == "query"]
    own = [of_both[row.identity, row.camera] for row in queries]
    return [QueryRelevance(row, of_identity[row.identity] - left, left) for row, left in zip(queries, own, strict=True)]


def problems(rows: Sequence[ImageRow], reach: Sequence[QueryRelevance]) -> list[Problem]:
    """All that is wrong with a dataset, what spoils the results most first."""
    found = [_shared(rows), *_same_content(rows), *_unreachable(reach), _no_cameras(reach, rows), *_images(rows)]
    return [problem for problem in found if problem.cases]


def _shared(rows: Sequence[ImageRow]) -> Problem:
    trained = {row.identity for row in rows if row.split == "train"}
    return Problem(
        "shared_identities",
        sorted({_person(row) for row in rows if row.split in TEST and row.identity in trained}),
        "identities in both the training half and the test half",
        "The network is asked about people whom it was trained to tell apart: results are too good.",
        "Move all images of each of them into one half.",
    )


def _same_content(rows: Sequence[ImageRow]) -> Iterator[Problem]:
    same: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        same[row.sha256].append(row)
    copies = [group for group in same.values() if len(group) > 1]
    yield Problem(
        "copies",
        [_keys(group) for group in copies if _makes_easier(group)],
        "images with the same content in two splits",
        "A query that was trained on, or finds its own copy, is right without any recognition: results are too good.",
        "Delete one file of each pair.",
    )
    yield Problem(
        "contradictions",
        [_keys(group) for group in copies if len({row.identity for row in group}) > 1],
        "images with the same content under different identities",
        "At least one of the identities is wrong, and right answers count as wrong.",
        "Look at each image, keep the file of the right identity and delete the other.",
    )


def _makes_easier(group: list[ImageRow]) -> bool:
    """Whether equal images make a search easier: they are in both halves, or are query and positive of each other."""
    splits = {row.split for row in group}
    if "train" in splits:
        return len(splits) > 1
    gallery = [row for row in group if row.split == "gallery"]
    queries = [row for row in group if row.split == "query"]
    return any(one.identity == other.identity and one.camera != other.camera for one in queries for other in gallery)


def _unreachable(reach: Sequence[QueryRelevance]) -> Iterator[Problem]:
    lost = [one for one in reach if not one.positives]
    yield Problem(
        "absent",
        [one.query.key for one in lost if not one.left_out],
        "queries of people whom the gallery does not show",
        "No query could find them; evaluation leaves them out of all means.",
        "Add images of these people to the gallery, from another camera, or remove the queries.",
    )
    yield Problem(
        "one_camera",
        [one.query.key for one in lost if one.left_out],
        "queries of people whom the gallery shows on the query's own camera only",
        "Images of the query's camera are left out, so nothing is left to be found; evaluation leaves the queries out.",
        "Add images of these people from another camera, check the camera numbers, or remove the queries.",
    )


def _no_cameras(reach: Sequence[QueryRelevance], rows: Sequence[ImageRow]) -> Problem:
    """Unknown is what has no name: readers without cameras invent numbers, so that no pair is left out."""
    gallery = any(row.camera_name for row in rows if row.split == "gallery" and row.identity != DISTRACTOR)
    return Problem(
        "no_cameras",
        [one.query.key for one in reach if not (one.query.camera_name and gallery)],
        "queries whose camera, or that of the gallery, is not known",
        "Nothing is left out. Images taken within a second of each other count as found again, and results are better "
        "than across cameras.",
        "Give the images their cameras. If there are none, as in Occluded-ReID, allow it.",
    )


def _images(rows: Sequence[ImageRow]) -> Iterator[Problem]:
    trained = Counter(_person(row) for row in rows if row.split == "train" and row.readable)
    yield Problem(
        "single_images",
        sorted(person for person, count in trained.items() if count == 1),
        "training identities with a single readable image",
        "Batches repeat it, and a triplet pairs it with itself, which teaches little.",
        "Add images of these people, or move them into the gallery.",
    )
    yield Problem(
        "unreadable",
        [row.key for row in rows if not row.readable],
        "images that cannot be read",
        "They are neither labelled nor trained on, nor searched for, nor found.",
        "Copy these files again or delete them.",
    )


def _person(row: ImageRow) -> str:
    return row.identity_name or str(row.identity)


def _keys(group: Iterable[ImageRow]) -> str:
    return " = ".join(row.key for row in group)
