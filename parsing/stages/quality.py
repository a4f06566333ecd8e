"""Report what a dataset's labels are worth, with a contact sheet to look at."""

import argparse
from pathlib import Path

from artefacts.files import replacing, write_csv, write_json
from artefacts.manifest import read_sources
from artefacts.progress import track
from artefacts.provenance import provenance
from parsing.ground_truth import Truth
from parsing.quality.contact_sheet import contact_sheet
from parsing.quality.report import ImageQuality, against_truth, coverage
from parsing.stage_config import QualityConfig
from parsing.store import FieldFile, LabelFile

SHOWN = 24  # images of each group on the sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="root of the images, JSON")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: key, sha256, ...")
    parser.add_argument("--labels", type=Path, required=True, help="HDF5 of the labels")
    parser.add_argument("--fields", type=Path, required=True, help="HDF5 of the maps that they were made from")
    parser.add_argument("--truth", type=Path, help="HDF5 of the truth, where the dataset was drawn")
    parser.add_argument("--report", type=Path, required=True, help="output JSON")
    parser.add_argument("--table", type=Path, required=True, help="output CSV, one row an image, worst first")
    parser.add_argument("--sheet", type=Path, required=True, help="output PNG")


def run(arguments: argparse.Namespace) -> None:
    config = QualityConfig.model_validate_json(arguments.config)
    labels, fields = LabelFile(arguments.labels), FieldFile(arguments.fields)
    keys = [source.key for source in read_sources(arguments.manifest)]
    report, looks = coverage(labels, fields, track(keys, "looking at labels", "image"))
    inputs = {"labels": arguments.labels}
    if arguments.truth:
        inputs["truth"] = arguments.truth
        read = [key for key in keys if labels.status(key) not in ("unreadable", "too_small")]
        truth = Truth(arguments.truth)
        report["truth"] = against_truth(labels, fields, truth, track(read, "comparing with the truth", "image"))
    report["provenance"] = provenance("parsing.stages.quality", config.model_dump(mode="json"), inputs)
    typical = keys[:: max(1, len(keys) // SHOWN)][:SHOWN]
    groups = {"Worst, by visible parts": report["worst"][:SHOWN], "One in every so many": typical}
    sheet = contact_sheet(Path(config.root), labels, groups)
    with replacing(arguments.sheet) as path:
        sheet.save(path, "PNG")
    write_csv(arguments.table, [ImageQuality._fields, *looks])
    write_json(arguments.report, report)
