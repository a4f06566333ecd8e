"""List a dataset's images: split, identity, camera, size and digest of each, checked before anything uses them."""

import argparse
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import write_text
from artefacts.images import UnreadableImage, read_rgb
from artefacts.manifest import SPLITS, ImageRow, write_manifest
from artefacts.progress import track
from reid.config.stages import ManifestConfig
from reid.data import checks
from reid.data.folder import folder_record
from reid.data.readers import read_folder
from reid.data.readers.files import contained
from reid.data.readers.market1501 import name_of_drawn, read_index
from reid.data.readers.names import JUNK
from reid.data.readers.names import Name as ImageName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="name, dataset, JSON")
    parser.add_argument("--index", type=Path, help="CSV: key, sha256; the images of a rendered dataset")
    parser.add_argument("--manifest", type=Path, required=True, help="output CSV: one row an image")
    parser.add_argument("--folder", type=Path, help="output JSON: what else the folder holds")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    config = ManifestConfig.model_validate_json(arguments.config)
    root, where = Path(config.dataset.root), f"datasets.{config.name}"
    digests = read_index(arguments.index) if arguments.index else None
    splits = SPLITS[1:] if config.dataset.trains_on else SPLITS
    drawn = [name_of_drawn(key) for key in digests or ()]
    names = drawn or read_folder(config.dataset, splits, config.name)
    used = [name for name in names if name.identity != JUNK]
    checks.check_keys((name.key for name in used), where)
    with ThreadPoolExecutor(arguments.threads) as pool:
        rows = list(track(pool.map(partial(_examine, root), used), "reading images", "image", len(used)))
    if digests:
        _must_be_as_drawn(root, rows, digests)
    checks.check_splits(rows, splits, where)
    checks.check_counts(rows, config.dataset.expected, where)
    checks.check_distractors(rows)
    record = folder_record(root, names, drawn=bool(digests))
    counts = ", ".join(f"{sum(row.split == split for row in rows):,} {split}" for split in SPLITS)
    passed_over = sum(one.files for one in record.passed_over)
    print(
        f"{root}: {counts} images; {record.junk:,} junk images and {passed_over:,} other files left out",
        file=sys.stderr,
    )
    if arguments.folder:
        write_text(arguments.folder, record.model_dump_json(indent=2) + "\n")
    write_manifest(arguments.manifest, rows)


def _examine(root: Path, name: ImageName) -> ImageRow:
    """The row of one image; its size is that of the upright image, (0, 0) if it cannot be decoded."""
    path = contained(root, name.key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror}); put the file back") from None
    try:
        width, height = read_rgb(content).size
    except UnreadableImage as reason:
        print(f"warning: {path}: {reason}", file=sys.stderr)
        width, height = 0, 0
    sha256 = hashlib.sha256(content).hexdigest()
    return ImageRow(*name[:4], width, height, sha256, name.identity_name, name.camera_name)


def _must_be_as_drawn(root: Path, rows: list[ImageRow], digests: dict[str, str]) -> None:
    changed = [row.key for row in rows if row.sha256 != digests[row.key]]
    if changed:
        others = f" (and {len(changed) - 1} more like it)" if len(changed) > 1 else ""
        raise UserError(
            f"{root / changed[0]}: is not as it was drawn{others}; delete {root} and run the draw rule again"
        )
