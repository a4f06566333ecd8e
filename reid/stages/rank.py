"""Draw queries with their first ten gallery images (Figure 3), and list those of every query."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artefacts.files import replacing, write_csv
from artefacts.gpus import torch_device
from reid.config.stages import RankConfig
from reid.embeddings.store import Embeddings, reading
from reid.evaluation.retrieval import Retrieval, retrieve
from reid.evaluation.tiles import Compute
from reid.report.figures.ranking import FIRST, Figure

HEADER = ("query", "average_precision", "place", "gallery", "distance", "correct", "compared")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: root, matching, queries")
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True, help="output PNG")
    parser.add_argument("--ranking", type=Path, required=True, help="output CSV")
    parser.add_argument("--threads", type=int, default=1, help="that compute distances; a GPU does, if there is one")


def run(arguments: argparse.Namespace) -> None:
    config = RankConfig.model_validate_json(arguments.config)
    compute = Compute(arguments.threads, torch_device())
    with reading(arguments.embeddings) as file:
        found = retrieve(file, config.matching, keep=FIRST, compute=compute)
        picture = Figure(file, config.matching, Path(config.root)).draw(found, config.queries)
        write_csv(arguments.ranking, [HEADER, *_lines(file, found)])
    with replacing(arguments.picture) as path:
        picture.save(path, "PNG")


def _lines(file: Embeddings, found: Retrieval) -> Iterator[tuple]:
    """One line for each query and place: keys, distance, whether the identity is right, what was compared."""
    names = np.array(found.names)
    query_keys, gallery_keys = file.query.key, file.gallery.key
    for query, place in zip(*np.nonzero(found.nearest >= 0), strict=True):
        image = found.nearest[query, place]
        compared = names[found.query_visible[query] & found.gallery_visible[image]]
        precision = found.measures.average_precision[query]
        yield (
            query_keys[query],
            "" if np.isnan(precision) else f"{precision:.4f}",
            place + 1,
            gallery_keys[image],
            f"{found.nearest_distances[query, place]:.5f}",
            int(found.correct[query, place]),
            " ".join(compared),
        )
