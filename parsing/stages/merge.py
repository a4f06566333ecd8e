"""Put the shards of a dataset together: one row for each image of the manifest, sorted by key."""

import argparse
import sys
from pathlib import Path

from artefacts.errors import UserError
from artefacts.manifest import Source, read_sources
from artefacts.progress import track
from parsing.store import FieldFile, write_fields


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: key, sha256, ...")
    parser.add_argument("--fields", type=Path, nargs="+", required=True, help="HDF5 of the shards, in any order")
    parser.add_argument("--merged", type=Path, required=True, help="output HDF5")


def run(arguments: argparse.Namespace) -> None:
    shards = [FieldFile(path) for path in arguments.fields]
    _must_agree(shards)
    sources = read_sources(arguments.manifest)
    shard_of = _find(sources, shards, arguments.manifest)
    first = shards[0]
    attributes = {
        "provenance": first.provenance,  # the shards', unchanged: the merged bytes do not tell how many there were
        "stride": first.stride,
        "input_size": first.input_size,
        "checkpoint_sha256": first.checkpoint_sha256,
        "silhouette_grid": first.silhouette_grid,
    }
    rows = (shard_of[source.key].row(source.key) for source in sources)
    rows = track(rows, "merging shards", "image", len(sources))
    write_fields(arguments.merged, first.grid, len(sources), rows, attributes)
    for key in (source.key for source in sources if shard_of[source.key].problem(source.key)):
        print(f"not labelled: {key}: {shard_of[key].problem(key)}", file=sys.stderr)


def _must_agree(shards: list[FieldFile]) -> None:
    for shard in shards[1:]:
        if shard.provenance != shards[0].provenance:
            raise UserError(
                f"{shard.path}: was made with other settings or inputs than {shards[0].path}; remove both and run again"
            )


def _find(sources: list[Source], shards: list[FieldFile], manifest: Path) -> dict[str, FieldFile]:
    """The shard of each image. Raises UserError unless the shards hold the manifest's images, each of them once."""
    found: dict[str, FieldFile] = {}
    for shard in shards:
        for key in shard.keys:
            if key in found:
                raise UserError(f"{shard.path}: {key} is also in {found[key].path}; give each shard once")
            found[key] = shard
    wanted = {source.key for source in sources}
    if missing := sorted(wanted - found.keys()):
        raise UserError(f"{manifest}: {missing[0]} and {len(missing) - 1} more are in no shard; run fields again")
    if foreign := sorted(found.keys() - wanted):
        raise UserError(f"{found[foreign[0]].path}: {foreign[0]} is not in {manifest}; run fields again")
    return found
