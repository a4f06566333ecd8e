"""What the shards of an index share, made of a sample of all of them: where its lists lie, and how it rounds."""

import argparse
from pathlib import Path

from artefacts.extras import needed
from reid.config.stages import IndexConfig
from reid.search.feature_file import read_features
from reid.search.index import trained
from reid.search.index_file import write_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: what `IndexConfig` holds")
    parser.add_argument("--features", type=Path, nargs="+", required=True, help="NPZ of all shards")
    parser.add_argument("--trained", type=Path, required=True, help="output: an index without images")


def run(arguments: argparse.Namespace) -> None:
    needed("faiss", "faiss")
    codes = IndexConfig.model_validate_json(arguments.config).codes
    galleries = [read_features(path, mapped=True).features for path in arguments.features]
    write_index(arguments.trained, trained(galleries, codes=codes))
