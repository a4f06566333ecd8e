"""Build an index of features, by which `reid search --index` finds candidates in a large gallery."""

import argparse
from pathlib import Path

from artefacts import rows
from artefacts.errors import UserError
from artefacts.extras import needed
from reid.search.feature_file import digest_of, read_features
from reid.search.features import Features
from reid.search.index import CODES, EIGHT, ONE_BY_ONE, IndexedFile, built
from reid.search.index_file import ENDING, write_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("features", nargs="+", type=Path, metavar="FEATURES", help=".npz of reid embed, of one model")
    parser.add_argument("--output", type=Path, required=True, help=f"the index ({ENDING})")
    parser.add_argument(
        "--codes", choices=CODES, default="scalar",
        help=f"beyond {ONE_BY_ONE:,} images, a byte for each number (scalar), or for {EIGHT} of them (product)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    rows.require_ending(arguments.output, (ENDING,))
    needed("faiss", "faiss")
    galleries = {path: read_features(path, mapped=True).features for path in arguments.features}
    require_one_model(galleries)
    files = [IndexedFile(path=str(path), digest=digest_of(path), images=len(of)) for path, of in galleries.items()]
    index = built(list(galleries.values()), files, codes=arguments.codes)
    write_index(arguments.output, index)
    print(f"{arguments.output}: {index.vectors.ntotal} images of {len(files)} files")


def require_one_model(galleries: dict[Path, Features]) -> None:
    """Raises UserError for features that are of two models, or of no image."""
    first, pack = next((path, features.pack) for path, features in galleries.items())
    for path, features in galleries.items():
        if not len(features):
            raise UserError(f"{path}: holds no image; embed some, or leave it out")
        if not features.pack.embeds_as(pack):
            raise UserError(
                f"{path}: holds features of another model than {first} ({features.pack.name}, {pack.name}); "
                f"build an index for each"
            )
