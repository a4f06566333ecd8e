"""Compare query with gallery under one matching, and measure the ranking (Sections 3.4 and 4.1)."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from artefacts.files import write_json
from artefacts.gpus import torch_device
from artefacts.provenance import provenance
from reid.config.stages import EvaluateConfig
from reid.embeddings.store import reading
from reid.evaluation.calibration import EXPECTED
from reid.evaluation.matching import separated
from reid.evaluation.retrieval import report
from reid.evaluation.tiles import Compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: name, matching")
    parser.add_argument("--embeddings", type=Path, required=True, help="input of the embed stage")
    parser.add_argument("--groups", type=Path, help="CSV: key, group; queries that are measured apart too")
    parser.add_argument("--metrics", type=Path, required=True, help="output JSON")
    parser.add_argument("--threads", type=int, default=1, help="that compute distances; a GPU does, if there is one")


def run(arguments: argparse.Namespace) -> None:
    """Write {matching}.json: `results` holds one report, or with `separately` one for each embedding by its name."""
    config = EvaluateConfig.model_validate_json(arguments.config)
    compute = Compute(arguments.threads, torch_device())
    with reading(arguments.embeddings) as file:
        single = {config.name: config.matching}
        matchings = separated(config.matching, file.names) if config.matching.separately else single
        results = {name: report(file, matching, compute, arguments.groups) for name, matching in matchings.items()}
    inputs = {"embeddings": arguments.embeddings} | ({"groups": arguments.groups} if arguments.groups else {})
    record = provenance("reid.stages.evaluate", config.model_dump(), inputs)
    write_json(arguments.metrics, {"matching": config.name, "results": results, "provenance": record})
    for name, result in results.items():
        print(f"{name}: mAP {result['measures']['mAP']:.1%}, rank-1 {result['measures']['rank-1']:.1%}")
        for group, apart in result.get("by_group", {}).items():
            print(f"  {group}: mAP {apart['measures']['mAP']:.1%}, rank-1 {apart['measures']['rank-1']:.1%}")
        for line in _calibrated(name, result):
            print(line)
    counts = result["counts"]
    if counts["queries_unreadable"] or counts["gallery_unreadable"]:
        unreadable = f"{counts['queries_unreadable']} queries and {counts['gallery_unreadable']} gallery images"
        print(f"{unreadable} could not be read and are ignored")
    if counts["queries_without_positive"]:
        left_out = f"{counts['queries_without_positive']} of {counts['queries']} queries"
        print(f"{left_out} have no image of another camera in the gallery and are left out of all means")


def _calibrated(name: str, result: dict) -> Iterator[str]:
    """How near is near, and which false match rates the pairs at hand are too few for."""
    calibration, pairs = result["calibration"], result["verification"]["negative_pairs"]
    if calibration is None:
        return
    known = {rate: distance for rate, distance in calibration["thresholds"].items() if distance is not None}
    if known:
        said = ", ".join(f"{distance:.4f} at {rate}" for rate, distance in known.items())
        yield f"{name}: distance thresholds by false match rate: {said}"
    few = [rate for rate in calibration["thresholds"] if pairs * float(rate) < EXPECTED]
    if few:
        yield f"{name}: no threshold at {', '.join(few)}: {pairs} pairs of different people are too few to tell"
