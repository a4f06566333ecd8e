"""Features of a shard of a dataset's gallery, as `reid search` reads them, out of `embeddings.h5`."""

import argparse
from pathlib import Path

from artefacts.manifest import read_manifest, shard_from
from reid.checkpoints.pack import read_config
from reid.config.stages import GalleryConfig
from reid.search.feature_file import write_features
from reid.search.stored import stored_features


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: what `GalleryConfig` holds")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, required=True, help="HDF5 of stage embed")
    parser.add_argument("--pack", type=Path, required=True, help="config.json of a pack of the same weights")
    parser.add_argument("--shard", type=shard_from, required=True, help="which piece of the gallery, such as 0-of-2")
    parser.add_argument("--features", type=Path, required=True, help="output NPZ")


def run(arguments: argparse.Namespace) -> None:
    root, pack = Path(GalleryConfig.model_validate_json(arguments.config).root), read_config(arguments.pack)
    features = stored_features(arguments.embeddings, pack, root, "gallery", arguments.shard)
    digests = {str(root / row.key): row.sha256 for row in read_manifest(arguments.manifest, "gallery")}
    write_features(arguments.features, features, [digests[name] for name in features.names])
    print(f"{arguments.features}: {len(features)} images")
