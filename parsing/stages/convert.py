"""Put labels that another program made into the file that PifPaf's maps would be in: one row an image."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from artefacts.errors import UserError
from artefacts.manifest import Source, read_sources
from artefacts.progress import track
from artefacts.provenance import provenance
from parsing.conversion.coco import KeypointReader
from parsing.conversion.confidence import ConfidenceReader
from parsing.conversion.label_files import Size, UnusableLabels, examine
from parsing.conversion.part_images import PartReader
from parsing.stage_config import ConvertConfig
from parsing.store import KEYPOINTS, MAPS, SKELETONS, write_fields

Reader = Callable[[str, Size], dict]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="root, labels_from, parser, interpolation, JSON")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: key, sha256, ...")
    parser.add_argument("--fields", type=Path, required=True, help="output HDF5")


def run(arguments: argparse.Namespace) -> None:
    config = ConvertConfig.model_validate_json(arguments.config)
    sources = sorted(read_sources(arguments.manifest), key=lambda source: source.key)
    reader = _reader(config, [source.key for source in sources])
    attributes = {
        "provenance": provenance(
            "parsing.stages.convert", config.model_dump(mode="json"), {"manifest": arguments.manifest}
        ),
        "stride": reader.stride,
        "input_size": config.labels_from.size,
        "checkpoint_sha256": "",  # no network of ours
    }
    rows = track(_rows(config, sources, reader), "converting labels", "image", len(sources))
    write_fields(arguments.fields, reader.grid, len(sources), rows, attributes)


def _reader(config: ConvertConfig, keys: list[str]) -> ConfidenceReader | KeypointReader | PartReader:
    source = config.labels_from
    if source.kind == "confidence_npy":
        return ConfidenceReader(source, config.interpolation)
    if source.kind == "coco_json":
        return KeypointReader(source, keys)
    return PartReader(source, config.parser)


def _rows(config: ConvertConfig, sources: list[Source], reader: Reader) -> Iterator[dict]:
    """Rows of a fields file. Raises UserError at the end if the labels of not a single image could be used."""
    empty = {
        "confidences": np.zeros((MAPS, *reader.grid), np.uint8),
        "skeletons": np.zeros((SKELETONS, KEYPOINTS, 3), np.float32),
    }
    used, reason = 0, ""
    for source in sources:
        row = examine(Path(config.root), source) | empty
        try:
            row |= {} if row["problem"] else reader(source.key, row["size"])
        except UnusableLabels as error:
            row["problem"] = str(error)
            reason = reason or str(error)
        if row["problem"]:
            print(f"not labelled: {source.key}: {row['problem']}", file=sys.stderr)
        used += not row["problem"]
        yield row
    if not used and reason:
        raise UserError(f"labels_from: the labels of none of {len(sources)} images can be used, the first: {reason}")
