"""Find the maps and skeletons of one shard of a dataset's images."""

import argparse
import re
from pathlib import Path

from artefacts.files import sha256_of
from artefacts.progress import track
from artefacts.provenance import provenance
from parsing.config import Checkpoint, Count, Section
from parsing.fields import Finder, Job, find_fields
from parsing.sources import read_sources, shard_of
from parsing.store import write_fields


class FieldsConfig(Section):
    """The slice of the configuration that this stage reads."""

    root: str
    pifpaf: Checkpoint
    batch_size: Count  # images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="root, pifpaf, batch_size, JSON")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: key, sha256, ...")
    parser.add_argument("--checkpoint", type=Path, required=True, help="PifPaf weights, .safetensors or .pkl")
    parser.add_argument("--shard", type=_shard, required=True, help="which part of the images, such as 0-of-2")
    parser.add_argument("--fields", type=Path, required=True, help="output HDF5")
    parser.add_argument("--threads", type=int, default=1, help="processes of one thread each")


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)-of-([1-9]\d*)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; write 0-of-2 for the first of two")
    return int(match[1]), int(match[2])


def run(arguments: argparse.Namespace) -> None:
    config = FieldsConfig.model_validate_json(arguments.config)
    shard, shards = arguments.shard
    sources = [source for source in read_sources(arguments.manifest) if shard_of(source.key, shards) == shard]
    job = Job(Path(config.root), arguments.checkpoint, config.pifpaf, config.batch_size)
    finder = Finder(job)
    attributes = {
        "provenance": provenance(
            "parsing.stages.fields",
            {"pifpaf": config.pifpaf.model_dump(mode="json")},
            {"manifest": arguments.manifest, "checkpoint": arguments.checkpoint},
        ),
        "stride": finder.stride,
        "input_size": config.pifpaf.size,
        "checkpoint_sha256": sha256_of(arguments.checkpoint),
    }
    rows = track(find_fields(sources, finder, arguments.threads), "finding body parts", "image", len(sources))
    write_fields(arguments.fields, finder.grid, len(sources), rows, attributes)
