"""Search a gallery for queries: a table, rows for other programs, and a picture of the ranking."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import compress
from pathlib import Path

import numpy as np
from tabulate import tabulate

from artefacts import rows
from artefacts.errors import UserError
from artefacts.files import replacing
from reid.checkpoints.pack_format import Pack
from reid.commands.finished_run import known_name
from reid.commands.model import add_model, is_of_images, load_pack, read_gallery, require_readable
from reid.embeddings.store import HOLISTIC
from reid.report.figures.search_sheet import search_sheet
from reid.search.calibration import RATES, threshold
from reid.search.choice import VISIBILITY, chosen_pack
from reid.search.extractor import Extractor
from reid.search.features import Features, Hits, joined
from reid.search.files import images_in
from reid.search.incremental import embedded
from reid.search.index_file import read_index
from reid.search.indexed_gallery import IndexedGallery


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queries", nargs="+", metavar="QUERY", help="image, or folder of images")
    parser.add_argument(
        "--gallery", type=Path, nargs="+", required=True, help="folders of images, images, or .npz of reid embed"
    )
    parser.add_argument("--index", type=Path, nargs="+", help="of reid index, of these .npz: finds candidates")
    parser.add_argument("--candidates", type=_count, help="of each index, for a query (10 x top, 1000 at least)")
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
    candidates = _candidates(arguments)
    paths = images_in(arguments.queries)
    model = load_pack(arguments)
    pack = changed(model.pack, arguments.parts, arguments.visibility)
    limit = threshold(pack, arguments.max_false_match) if arguments.max_false_match else np.inf
    queries = replace(require_readable(embedded(model, paths, "embedding queries")), pack=pack)
    gallery, found = _found(queries, arguments, model, candidates)
    near = found.within(limit)
    hits = list(compress(hit_rows(queries, gallery, found), near.ravel()))
    for name in sorted(set(queries.names) - {hit["query"] for hit in hits}):
        print(f"{name}: no image within {limit:.4f}", file=sys.stderr)
    print(tabulate([_printed(hit) for hit in hits], headers="keys", disable_numparse=True))
    if arguments.output:
        rows.write_rows(arguments.output, hits, columns(found))
    if arguments.picture:
        page = search_sheet(queries, gallery, found, near)
        with replacing(arguments.picture) as path:
            page.save(path, "PNG")


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of images, 1 or more")
    return int(word)


def _candidates(arguments: argparse.Namespace) -> int:
    """How many each index gives. Raises UserError for numbers and galleries that no index can be used with."""
    if arguments.candidates and not arguments.index:
        raise UserError("--candidates: are what --index gives; name one, or leave them out")
    candidates = arguments.candidates or max(1000, 10 * arguments.top)
    if candidates < arguments.top:
        raise UserError(f"--candidates: {candidates} are fewer than --top {arguments.top}; ask for more")
    for path in arguments.gallery if arguments.index else ():
        if is_of_images(path):
            raise UserError(f"{path}: holds images, but --index is of features; name the .npz that it was made of")
    return candidates


def _found(
    queries: Features, arguments: argparse.Namespace, model: Extractor, candidates: int
) -> tuple[Features, Hits]:
    """What is nearest to the queries, and the features among which it is numbered."""
    if arguments.index:
        indices = {path: read_index(path, model.pack) for path in arguments.index}
        galleries = {path: read_gallery(path, model, mapped=True) for path in arguments.gallery}
        return IndexedGallery(galleries, indices).search(queries, arguments.top, candidates)
    gallery = replace(joined([_gallery(path, model) for path in arguments.gallery]), pack=queries.pack)
    return gallery, queries.search(gallery, arguments.top)


def _gallery(path: Path, model: Extractor) -> Features:
    if is_of_images(path):
        return require_readable(embedded(model, images_in([path])))
    return read_gallery(path, model)


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


def columns(found: Hits) -> dict[str, type]:
    """Names and types of what a row says of a hit; without a calibration there is no probability."""
    likely = {} if found.probabilities is None else {"probability": float}
    return {"query": str, "place": int, "image": str, "distance": float, **likely, "compared": list[str]}


def hit_rows(queries: Features, gallery: Features, found: Hits) -> Iterator[dict]:
    """The rows of what was found, with the embeddings `compared`; distance and probability None where none was."""
    both = queries.visibility[:, None] & gallery.visibility[found.images]
    for row, seen in zip(found.rows(), both.reshape(found.images.size, -1), strict=True):
        if np.isinf(row["distance"]):
            row |= {name: None for name in ("distance", "probability") if name in row}
        yield row | {"compared": [name for name, used in zip(queries.compared, seen, strict=True) if used]}


def _printed(hit: dict) -> dict[str, str]:
    row = {"query": hit["query"], "place": str(hit["place"]), "image": hit["image"]}
    row["distance"] = "none" if hit["distance"] is None else f"{hit['distance']:.4f}"
    if "probability" in hit:
        row["probability"] = "unknown" if hit["probability"] is None else f"{hit['probability']:.1%}"
    return row | {"compared": ", ".join(hit["compared"]) or "nothing visible in both"}
