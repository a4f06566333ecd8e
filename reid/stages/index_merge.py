"""One index of a whole gallery, out of its shards'."""

import argparse
from pathlib import Path

from reid.search.index import merged
from reid.search.index_file import read_index, write_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="index of each shard, in their order")
    parser.add_argument("--index", type=Path, required=True, help="output")


def run(arguments: argparse.Namespace) -> None:
    index = merged([read_index(path) for path in arguments.shards])
    write_index(arguments.index, index)
    print(f"{arguments.index}: {index.vectors.ntotal} images of {len(index.files)} files")
