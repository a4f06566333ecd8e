"""What a dataset of one's own says of an image, before splits are drawn and names become numbers."""

from collections.abc import Mapping
from typing import NamedTuple

from artefacts.errors import UserError
from artefacts.missing import is_missing
from reid.config.dataset import Options

SPLITS = {
    "train": "train", "bounding_box_train": "train", "image_train": "train",
    "query": "query", "probe": "query", "image_query": "query",
    "gallery": "gallery", "bounding_box_test": "gallery",
    "test": "test", "image_test": "test",
}  # fmt: skip
WORDS = "train, query, gallery or test (the gallery, or both where nothing is called query)"
NO_IDENTITIES = (
    "training and measuring need to know who is seen: give each person a folder (reader folders), find people in the "
    "paths by a pattern (reader names), or list path and identity in a table (reader table); "
    "to embed and search images without identities: reid embed, reid search (docs/use.md)"
)


class Found(NamedTuple):
    """What is known of an image before splits are drawn and names become numbers."""

    key: str
    split: str | None  # of SPLITS, "test" = query or gallery; None = any of them
    identity: str | None  # None = distractor, or junk
    camera: str | None  # None = unknown
    split_name: str = ""  # what the dataset writes for the split
    junk: bool = False  # ignored throughout


def found(key: str, said: Mapping[str, str | None], options: Options, where: str, name: str) -> Found:
    """What the values `said` of identity and, if known, camera and split mean, by the options.

    `where` says in messages where they stand, `name` is the dataset's entry in config.yaml. Raises UserError for an
    identity that is missing, unless an option says what that means, and for a split that is none.
    """
    identity, split, camera = said["identity"] or "", said.get("split") or "", said.get("camera") or ""
    junk, distractor = (_is_meant(identity, one) for one in (options.junk_identity, options.distractor_identity))
    if is_missing(identity) and not junk and not distractor:
        raise UserError(
            f"{where}: its identity is {repr(identity) if identity else 'empty'}, as of a value that is missing; fill "
            f"it in, or set datasets.{name}.options.distractor_identity (in the gallery, but no person who is searched "
            "for) or .junk_identity (left out) to ''"
        )
    return Found(
        key,
        split_of(split, where),
        None if junk or distractor else identity,
        None if is_missing(camera) else camera,
        split,
        junk,
    )


def _is_meant(identity: str, option: str | None) -> bool:
    """Whether an option that names an identity means this one; of those that are missing, all at once."""
    return option is not None and (identity == option or (is_missing(identity) and is_missing(option)))


def split_of(word: str, where: str) -> str | None:
    """The split that a word means; None where it is missing. Raises UserError, naming `where`, for another word."""
    if is_missing(word):
        return None
    if word.casefold() not in SPLITS:
        raise UserError(f"{where}: the split {word!r} is not {WORDS}; correct it, or leave the splits out altogether")
    return SPLITS[word.casefold()]
