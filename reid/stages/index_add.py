"""The index of one shard."""

import argparse
from pathlib import Path

from reid.search.feature_file import digest_of, read_features
from reid.search.index import IndexedFile, with_images
from reid.search.index_file import read_index, write_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trained", type=Path, required=True, help="index without images")
    parser.add_argument("--features", type=Path, required=True, help="NPZ of the shard")
    parser.add_argument("--index", type=Path, required=True, help="output")


def run(arguments: argparse.Namespace) -> None:
    path = arguments.features
    gallery = read_features(path, mapped=True).features
    file = IndexedFile(path=str(path), digest=digest_of(path), images=len(gallery))
    write_index(arguments.index, with_images(read_index(arguments.trained, gallery.pack), [gallery], [file]))
