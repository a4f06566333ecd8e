"""Splits where a dataset has none: identities into training and test half, the test half into query and gallery.

Who goes where is decided by the digest of a name and the seed: the same on every machine and in every order of the
images, and nearly the same after some were added.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from artefacts.errors import UserError
from reid.config.dataset import Division
from reid.data.readers.found import Found

PAIR = 2  # images that an identity needs to be trained on or searched for


def divided(images: Sequence[Found], split: Division, trains: bool) -> list[Found]:
    """The images with splits of train, query and gallery. `trains` = whether the dataset has a training half.

    Identities with a pair of images go to the training half until it has its share; test identities then give queries
    from every camera, unless the dataset has queries of its own: its `test` is the gallery then. Raises UserError where
    some images have a split and others have none.
    """
    without = [image for image in images if image.split is None and image.identity is not None]
    known = [image for image in images if image.split is not None and image.identity is not None]
    if without and known:
        raise UserError(
            f"{without[0].key!r}: has no split, but {known[0].key!r} has; fill in the split of all images, or of none"
        )
    training = _training_identities(without, split) if trains else set()
    halves = [_in_half(image, training) for image in images]
    has_queries = any(image.split == "query" for image in halves)
    queries = set() if has_queries else _queries([image for image in halves if image.split == "test"], split)
    return [_with_split(image, "query" if image.key in queries else "gallery") for image in halves]


def _training_identities(images: Iterable[Found], split: Division) -> set[str | None]:
    count: dict[str | None, int] = defaultdict(int)
    for image in images:
        count[image.identity] += 1
    pairs = sorted((name for name in count if count[name] >= PAIR), key=lambda name: _order(split.seed, name))
    return set(pairs[: round(split.train * len(pairs))])


def _in_half(image: Found, training: set[str | None]) -> Found:
    if image.identity is None and image.split in (None, "test"):
        return image._replace(split="gallery")
    return image._replace(split=image.split or ("train" if image.identity in training else "test"))


def _queries(images: Iterable[Found], split: Division) -> set[str]:
    """Keys of the queries: of each identity and camera as many as asked for, so that one image stays in the gallery.

    An identity with several cameras and a single image from each gives one query: else no query could find it.
    """
    seen: dict[str | None, dict[str | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for image in images:
        seen[image.identity][image.camera].append(image.key)
    queries: set[str] = set()
    for cameras in seen.values():
        if len(cameras) == 1 and None not in cameras:
            continue  # one camera: no image of another could be found
        ordered = [sorted(keys, key=lambda key: _order(split.seed, key)) for keys in cameras.values()]
        chosen = [key for keys in ordered for key in keys[: min(split.queries, len(keys) - 1)]]
        alone = min((keys[0] for keys in ordered), key=lambda key: _order(split.seed, key))
        queries |= set(chosen) if chosen or len(ordered) == 1 else {alone}
    return queries


def _order(seed: int, name: str | None) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _with_split(image: Found, test: str) -> Found:
    return image._replace(split=test) if image.split == "test" else image
