"""Say what a search in a dataset can find at all, and what is wrong with the dataset, in plain words."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from artefacts.files import write_csv, write_json, write_text
from artefacts.manifest import SPLITS, ImageRow, read_manifest
from artefacts.provenance import provenance
from reid.config.stages import ProtocolConfig
from reid.data.folder import read_folder_record
from reid.data.protocol import Problem, QueryRelevance, count_positives, problems
from reid.report.protocol import report

KEPT = 100  # cases of a finding in the JSON file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="name, allow, unreadable, JSON")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="JSON of stage manifest: what else the folder holds")
    parser.add_argument("--report", type=Path, required=True, help="output Markdown")
    parser.add_argument("--findings", type=Path, required=True, help="output JSON")
    parser.add_argument("--queries", type=Path, required=True, help="output CSV: what each query can find")


def run(arguments: argparse.Namespace) -> None:
    config = ProtocolConfig.model_validate_json(arguments.config)
    rows, folder = read_manifest(arguments.manifest), read_folder_record(arguments.folder)
    reach = count_positives(rows)
    found = problems(rows, reach)
    _write_queries(arguments.queries, reach)
    write_text(arguments.report, report(config, rows, reach, found, folder))
    record = provenance(
        "reid.stages.protocol", config.model_dump(), {"manifest": arguments.manifest, "folder": arguments.folder}
    )
    content = {
        "dataset": config.name,
        "images": _counts(rows),
        **folder.model_dump(),
        "findings": [_finding(one, config) for one in found],
    }
    write_json(arguments.findings, {**content, "provenance": record})
    refused = [problem.name for problem in found if not config.accepts(problem.name)]
    print(f"{arguments.report}: {len(found)} findings, not allowed: {', '.join(refused) or 'none'}")


def _counts(rows: Iterable[ImageRow]) -> dict[str, dict[str, int]]:
    of = {split: [row for row in rows if row.split == split] for split in SPLITS}
    return {
        split: {"images": len(mine), "unreadable": sum(not row.readable for row in mine)} for split, mine in of.items()
    }


def _finding(problem: Problem, config: ProtocolConfig) -> dict:
    return {
        "name": problem.name,
        "allowed": config.accepts(problem.name),
        "count": len(problem.cases),
        "says": problem.says,
        "change": problem.change,
        "accept": problem.accepting(config.name),
        "cases": problem.cases[:KEPT],
    }


def _write_queries(path: Path, reach: Iterable[QueryRelevance]) -> None:
    lines = [
        (one.query.key, one.query.identity, one.query.identity_name, one.query.camera, one.positives, one.left_out)
        for one in reach
    ]
    header = ("key", "identity", "identity_name", "camera", "positives", "left_out_same_camera")
    write_csv(path, [header, *lines])
