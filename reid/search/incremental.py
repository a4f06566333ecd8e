"""Embedding only images that are new: what a file's bytes give is known by their digest and the model's pack."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from artefacts.files import sha256_of
from artefacts.progress import track
from reid.search.extractor import Extractor
from reid.search.feature_file import KeptFeatures
from reid.search.features import Features, joined


class Update(NamedTuple):
    """Features of the present images, with the digests of their files; how many were `embedded`, the rest was known."""

    features: Features
    sha256: list[str]
    embedded: int


def embedded(model: Extractor, paths: Sequence[str], title: str = "embedding") -> Features:
    """Features of image files, with progress and the time left on standard error."""
    return model.embed(track(paths, title, "images"))


def updated(model: Extractor, paths: Sequence[str], kept: KeptFeatures | None = None) -> Update:
    """Features of the images, in their order, taken from those `kept` of the same model where the bytes are known.

    Copies and renamed files are not embedded again, and images that are no longer among `paths` are left out.
    """
    digests, failed = _digests(paths)
    if kept is None or not kept.features.pack.embeds_as(model.pack):
        kept = KeptFeatures(model.embed([]), [])
    known = set(kept.sha256)
    new = {digest: path for path, digest in digests.items() if digest not in known}
    fresh = embedded(model, list(new.values()))
    every = joined([fresh, kept.features])
    rows = {digest: row for row, digest in enumerate([*(digests[path] for path in fresh.names), *kept.sha256])}
    unread = {digests[path]: why for path, why in fresh.failed.items()}
    failed |= {path: unread[digest] for path, digest in digests.items() if digest in unread}
    names = [path for path in paths if path not in failed]
    features = replace(every[[rows[digests[path]] for path in names]], names=names, failed=failed)
    return Update(features, [digests[path] for path in names], len(fresh))


def _digests(paths: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """SHA-256 of each file, and of those that cannot be read, why."""
    digests, failed = {}, {}
    for path in track(paths, "hashing", "images"):
        try:
            digests[path] = sha256_of(Path(path))
        except OSError as error:
            failed[path] = error.strerror or type(error).__name__
    return digests, failed
