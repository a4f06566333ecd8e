"""Embed images: features that `reid search` reads, or one row an image for other programs."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artefacts import rows
from reid.commands.model import add_model, load_pack, require_readable
from reid.search.extractor import Extractor
from reid.search.feature_file import ENDING, KeptFeatures, read_features, write_features
from reid.search.features import Features
from reid.search.files import images_in
from reid.search.incremental import embedded, updated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER", help="image, or folder of images")
    add_model(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="features (.npz), of which only new images are embedded if it is there; or rows (.json, .csv, .parquet)",
    )


def run(arguments: argparse.Namespace) -> None:
    output = arguments.output
    rows.require_ending(output, (ENDING, *rows.ENDINGS))
    paths = images_in(arguments.images)
    kept = read_features(output) if output.suffix.lower() == ENDING and output.exists() else None
    model = load_pack(arguments)
    if output.suffix.lower() == ENDING:
        _update(output, model, paths, kept)
    else:
        features = require_readable(embedded(model, paths))
        rows.write_rows(output, list(image_rows(features)), columns(features))
        print(f"{output}: {len(features)} images")


def _update(output: Path, model: Extractor, paths: list[str], kept: KeptFeatures | None) -> None:
    """Write the features of the images that are there now."""
    if kept is not None and not kept.features.pack.embeds_as(model.pack):
        print(f"{output}: is of another model, {kept.features.pack.name}; every image is embedded", file=sys.stderr)
    update = updated(model, paths, kept)
    write_features(output, require_readable(update.features), update.sha256)
    print(f"{output}: {len(update.features)} images, {update.embedded} of them embedded now")


def columns(features: Features) -> dict[str, type]:
    """Names and types of what a row says of an image."""
    scores = {f"score_{name}": float for name in features.embedding_names}
    return {"image": str, "visible": list[str], **scores, "vector": list[float]}


def image_rows(features: Features) -> Iterator[dict]:
    """A row an image: its path, the embeddings visible in it, the score of each, and its flat vector [P x D]."""
    vectors = features.flat().astype(np.float64).round(7)
    for number, image in enumerate(features.names):
        named = list(zip(features.embedding_names, features.visible[number], features.scores[number], strict=True))
        row = {"image": image, "visible": [name for name, visible, _ in named if visible]}
        row |= {f"score_{name}": round(float(score), 4) for name, _, score in named}
        yield row | {"vector": vectors[number].tolist()}
