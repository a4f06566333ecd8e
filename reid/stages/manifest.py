"""List a dataset's images: split, identity, camera, size and digest of each, checked before anything uses them."""

import argparse
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_rgb
from artefacts.progress import track
from parsing.config import Section
from reid.config import ImageFolder, Name
from reid.data import protocol
from reid.data.manifest import SPLITS, ImageRow, write_manifest
from reid.data.readers import JUNK, contained, list_folder, parse_key, read_index
from reid.data.readers import Name as ImageName


class ManifestConfig(Section):
    """The slice of the configuration that this stage reads."""

    name: Name
    dataset: ImageFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="name, dataset, JSON")
    parser.add_argument("--index", type=Path, help="CSV: key, sha256; the images of a drawn dataset")
    parser.add_argument("--manifest", type=Path, required=True, help="output CSV: one row an image")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    config = ManifestConfig.model_validate_json(arguments.config)
    root = Path(config.dataset.root)
    digests = read_index(arguments.index) if arguments.index else None
    splits = SPLITS[1:] if config.dataset.trains_on else SPLITS
    names = [parse_key(key) for key in digests or list_folder(root, config.name, splits)]
    used = [name for name in names if name.identity != JUNK]
    with ThreadPoolExecutor(arguments.threads) as pool:
        rows = list(track(pool.map(partial(_examine, root), used), "reading images", "image", len(used)))
    if digests:
        _must_be_as_drawn(root, rows, digests)
    protocol.check_splits(rows, splits, f"datasets.{config.name}")
    protocol.check_counts(rows, config.dataset.expected, f"datasets.{config.name}")
    protocol.check_identities(rows)
    for line in protocol.warnings(rows):
        print(f"warning: {root}: {line}", file=sys.stderr)
    counts = ", ".join(f"{sum(row.split == split for row in rows):,} {split}" for split in SPLITS)
    print(f"{root}: {counts} images; {len(names) - len(used):,} junk images left out", file=sys.stderr)
    write_manifest(arguments.manifest, rows)


def _examine(root: Path, name: ImageName) -> ImageRow:
    """The row of one image; its size is that of the upright image, (0, 0) if it cannot be decoded."""
    path = contained(root, name.key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror}); put the file back") from None
    try:
        size = read_rgb(content).size
    except UnreadableImage as reason:
        print(f"warning: {path}: {reason}", file=sys.stderr)
        size = (0, 0)
    return ImageRow(*name, *size, hashlib.sha256(content).hexdigest())


def _must_be_as_drawn(root: Path, rows: list[ImageRow], digests: dict[str, str]) -> None:
    changed = [row.key for row in rows if row.sha256 != digests[row.key]]
    if changed:
        raise UserError(
            f"{root / changed[0]}: is not as it was drawn{protocol.and_others(len(changed))}; delete {root} and "
            "run the draw rule again"
        )
