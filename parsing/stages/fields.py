"""Find the maps and skeletons of one shard of a dataset's images, but of those alone that are not known yet."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from artefacts.files import sha256_of
from artefacts.gpus import take_gpus
from artefacts.manifest import Source, digest_of, read_sources, shard_from, shard_of
from artefacts.progress import track
from artefacts.provenance import provenance
from artefacts.state import fingerprint, working_folder
from parsing.grids import BLOCK
from parsing.pifpaf.cache import RowCache, cache_key
from parsing.pifpaf.extraction import ExtractionJob, FieldExtractor
from parsing.pifpaf.workers import ShardWork, find_batches
from parsing.stage_config import FieldsConfig
from parsing.store import FieldFile, write_fields


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="root, pifpaf, extraction, JSON")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: key, sha256, ...")
    parser.add_argument("--checkpoint", type=Path, required=True, help="PifPaf weights, .safetensors or .pkl")
    parser.add_argument("--shard", type=shard_from, required=True, help="which part of the images, such as 0-of-2")
    parser.add_argument("--fields", type=Path, required=True, help="output HDF5")
    parser.add_argument("--known", type=Path, required=True, help="HDF5 of an earlier run, if there is one")
    parser.add_argument("--state", type=Path, required=True, help="folder for work in progress")
    parser.add_argument("--threads", type=int, default=1, help="processes of one thread each")


def run(arguments: argparse.Namespace) -> None:
    take_gpus(1)
    config = FieldsConfig.model_validate_json(arguments.config)
    shard, shards = arguments.shard
    every = read_sources(arguments.manifest)
    sources = [source for source in every if shard_of(source.key, shards) == shard]
    job = ExtractionJob(Path(config.root), arguments.checkpoint, config.pifpaf, **dict(config.extraction))
    finder = FieldExtractor(job)
    attributes = {
        "provenance": _record(config, arguments.checkpoint, every),
        "stride": finder.stride,
        "input_size": config.pifpaf.size,
        "checkpoint_sha256": sha256_of(arguments.checkpoint),
        "silhouette_grid": config.extraction.silhouettes and [length // BLOCK for length in config.pifpaf.size],
    }
    belongs = fingerprint(cache_key(attributes["provenance"]))
    with working_folder(arguments.state, belongs) as folder:
        rows = _rows(sources, ShardWork(job, folder, attributes), arguments)
        rows = track(rows, "finding body parts", "image", len(sources))
        write_fields(arguments.fields, finder.grid, len(sources), rows, attributes)
        shutil.rmtree(folder)


def _record(config: FieldsConfig, checkpoint: Path, every: list[Source]) -> dict:
    """Where the rows come from, whichever shard they are in."""
    how = config.extraction.model_dump(exclude={"silhouettes": {"weights"}})
    settings = {"size": list(config.pifpaf.size), **how}
    record = provenance("parsing.stages.fields", settings, {"checkpoint": checkpoint})
    record["inputs"]["images"] = {"sha256": digest_of(every)}
    return record


def _rows(sources: list[Source], work: ShardWork, arguments: argparse.Namespace) -> Iterator[dict]:
    """The sources' rows, in their order: known ones, and new ones as their batches are done."""
    known = RowCache(work.attributes["provenance"])
    for path in (arguments.known, *work.folder.glob("*.h5")):
        if path.exists():
            known.add(path)
    new = {source.key for source in sources if not known.has(work.job.root, source)}
    if len(known):
        print(f"{len(sources) - len(new)} of {len(sources)} images are known, {len(new)} are new", file=sys.stderr)
    batches = find_batches([source for source in sources if source.key in new], work, arguments.threads)
    found = chain.from_iterable(map(_read, batches))
    for source in sources:
        yield next(found) if source.key in new else known.row(source)


def _read(path: Path) -> list[dict]:
    file = FieldFile(path)
    rows = [file.row(key) for key in file.keys]
    file.close()
    return rows
