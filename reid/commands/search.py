"""Search a gallery for queries: a table, rows for other programs, and a picture of the ranking."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate

from artefacts import rows
from artefacts.files import replacing
from reid.checkpoints.pack_format import Pack
from reid.commands.finished_run import known_name
from reid.commands.model import add_model, load_pack, read_gallery, require_readable
from reid.embeddings.store import HOLISTIC
from reid.report.figures.search_sheet import search_sheet
from reid.search.calibration import RATES, threshold
from reid.search.choice import VISIBILITY, chosen_pack
from reid.search.extractor import Extractor
from reid.search.features import Features, Hits
from reid.search.files import images_in
from reid.search.incremental import embedded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queries", nargs="+", metavar="QUERY", help="image, or folder of images")
    parser.add_argument("--gallery", type=Path, required=True, help="folder of images, or .npz of reid embed")
    add_model(parser)
    parser.add_argument("--top", type=_count, default=10, help="images a query (10)")
    parser.add_argument("--parts", help="compare these embeddings only, such as legs,torso")
    parser.add_argument("--visibility", choices=list(VISIBILITY), help="in place of what the pack's matching says")
    parser.add_argument("--max-false-match", choices=RATES, help="leave out images beyond the threshold at this rate")
    parser.add_argument("--output", type=Path, help="rows: .json, .csv or .parquet")
    parser.add_argument("--picture", type=Path, help="output PNG: the first queries with their first ten images")


def run(arguments: argparse.Namespace) -> None:
    if arguments.output:
        rows.require_ending(arguments.output, rows.ENDINGS)
    if arguments.picture:
        rows.require_ending(arguments.picture, [".png"])
    paths = images_in(arguments.queries)
    model = load_pack(arguments)
    pack = changed(model.pack, arguments.parts, arguments.visibility)
    limit = threshold(pack, arguments.max_false_match) if arguments.max_false_match else np.inf
    queries = replace(require_readable(model.embed(paths)), pack=pack)
    gallery = replace(_gallery(arguments.gallery, model), pack=pack)
    found = queries.search(gallery, arguments.top)
    hits = list(near_enough(hit_rows(queries, gallery, found), limit))
    for name in sorted(set(queries.names) - {hit["query"] for hit in hits}):
        print(f"{name}: no image within {limit:.4f}", file=sys.stderr)
    print(tabulate([_printed(hit) for hit in hits], headers="keys", disable_numparse=True))
    if arguments.output:
        rows.write_rows(arguments.output, hits)
    if arguments.picture:
        page = search_sheet(queries, gallery, found)
        with replacing(arguments.picture) as path:
            page.save(path, "PNG")


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of images, 1 or more")
    return int(word)


def _gallery(path: Path, model: Extractor) -> Features:
    if not path.is_dir():
        return read_gallery(path, model)
    return require_readable(embedded(model, images_in([path])))


def changed(pack: Pack, parts: str | None, visibility: str | None) -> Pack:
    """The pack that compares these `parts` (names with commas between), with this of VISIBILITY.

    That the calibration does not hold for another matching is said. Raises UserError for an unknown part.
    """
    chosen = None if parts is None else [name.strip() for name in parts.split(",")]
    for name in chosen or []:
        known_name("--parts", name, [*pack.parts, *HOLISTIC])
    other = chosen_pack(pack, chosen, None if visibility is None else VISIBILITY[visibility])
    if other is not pack and pack.calibration is not None:
        print("no probabilities: the model is calibrated for its own matching only", file=sys.stderr)
    return other


def hit_rows(queries: Features, gallery: Features, found: Hits) -> Iterator[dict]:
    """The rows of what was found, with the embeddings `compared`; distance None where no embedding was."""
    both = queries.visibility[:, None] & gallery.visibility[found.images]
    for row, seen in zip(found.rows(), both.reshape(found.images.size, -1), strict=True):
        row["distance"] = row["distance"] if np.isfinite(row["distance"]) else None
        yield row | {"compared": [name for name, used in zip(queries.compared, seen, strict=True) if used]}


def near_enough(hits: Iterator[dict], limit: float) -> Iterator[dict]:
    """The hits up to a distance; all, if it is infinite."""
    return (hit for hit in hits if np.isinf(limit) or (hit["distance"] is not None and hit["distance"] <= limit))


def _printed(hit: dict) -> dict[str, str]:
    row = {"query": hit["query"], "place": str(hit["place"]), "image": hit["image"]}
    row["distance"] = "none" if hit["distance"] is None else f"{hit['distance']:.4f}"
    if "probability" in hit:
        row["probability"] = f"{hit['probability']:.1%}"
    return row | {"compared": ", ".join(hit["compared"]) or "nothing visible in both"}
