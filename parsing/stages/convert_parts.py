"""Part labels of a dataset under one scheme, from the images of a human parser."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artefacts.progress import track
from artefacts.provenance import provenance
from parsing.conversion.part_images import PartReader, label_of_numbers, majority_labels, one_hot
from parsing.grids import BLOCK
from parsing.schemes import UNKNOWN, part_scheme
from parsing.stage_config import ConvertPartsConfig
from parsing.stages.labels import must_be_readable
from parsing.store import FieldFile, write_labels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="scheme, scheme_name, labels, labels_from, parser, JSON")
    parser.add_argument("--fields", type=Path, required=True, help="HDF5 of all images' status, of stage convert")
    parser.add_argument("--labels", type=Path, required=True, help="output HDF5")


def run(arguments: argparse.Namespace) -> None:
    config = ConvertPartsConfig.model_validate_json(arguments.config)
    fields = FieldFile(arguments.fields)
    if config.labels.unreadable == "fail":
        must_be_readable(fields)
    scheme = part_scheme(config.scheme)
    table = label_of_numbers(config.parser, scheme)
    reader = PartReader(config.labels_from, config.parser)
    rows = _rows(fields, reader, table, len(scheme.part_names))
    record = provenance("parsing.stages.convert_parts", config.model_dump(mode="json"), {"fields": arguments.fields})
    names, mirrored = list(scheme.part_names), list(scheme.mirrored)
    grid = (config.labels_from.size[0] // BLOCK, config.labels_from.size[1] // BLOCK)
    rows = track(rows, f"labelling parts of scheme {config.scheme_name}", "image", len(fields))
    write_labels(arguments.labels, grid, names, mirrored, len(fields), rows, record)


def _rows(fields: FieldFile, reader: PartReader, table: np.ndarray, parts: int) -> Iterator[dict]:
    size = reader.config.size
    for key in fields.keys:
        if fields.problem(key):
            labels = np.full((size[0] // BLOCK, size[1] // BLOCK), UNKNOWN, np.uint8)
        else:
            labels = majority_labels(table[reader.numbers(key)], size)
        status = "nobody" if not fields.problem(key) and (labels == UNKNOWN).all() else fields.status(key)
        yield {"key": key, "status": status, "labels": labels, "confidences": one_hot(labels, parts)}
