"""Draw all that is known of some images: labels, attention and visibility of each part, and what each part finds.

Reads the files of a finished run, for a look before its numbers are believed; no rule, since keys hold slashes.
"""

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from artefacts.errors import UserError
from artefacts.files import replacing
from artefacts.manifest import DISTRACTOR, ImageRow, read_manifest
from parsing.store import LabelFile
from reid.checkpoints.store import load_model
from reid.commands.finished_run import add_configuration, configuration, known_name, require_file
from reid.config.model_names import entry_of
from reid.config.root import Config, ModelInUse
from reid.data.loading import embedding_loader
from reid.embeddings.extract import embed
from reid.embeddings.store import reading
from reid.report.figures.single_image import (
    Prediction,
    computed,
    image_card,
    ranking,
    stacked,
    stored,
    text_banner,
    with_queries,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY", help="image of the manifest, or the end of its key")
    parser.add_argument("--dataset", required=True, help="entry of datasets in the configuration")
    parser.add_argument("--model", required=True, help="entry of models, or ENTRY@DATASET that it is trained on")
    parser.add_argument("--seed", type=int, help="the dataset's first, unless given")
    parser.add_argument("--matching", help="the model's, unless given")
    parser.add_argument("--picture", type=Path, help="output PNG; results/DATASET/MODEL/show.png, unless given")
    add_configuration(parser)


def run(arguments: argparse.Namespace) -> None:
    config = configuration(arguments)
    matching = arguments.matching or config.model(arguments.model).matching
    known_name("matching", matching, config.matchings)
    picture = arguments.picture or arguments.results / arguments.dataset / arguments.model / "show.png"
    page = stacked(list(_pages(arguments, config)))
    with replacing(picture) as path:
        page.save(path, "PNG")
    print(picture)


def _pages(arguments: argparse.Namespace, config: Config) -> Iterator[Image.Image]:
    dataset, model = config.datasets[arguments.dataset], config.model(arguments.model)
    trained_on = config.trained_on(arguments.model, arguments.dataset)
    first = config.seeds_of(arguments.model, arguments.dataset)[0]
    seed = f"seed{first if arguments.seed is None else arguments.seed}"
    folder = arguments.results / arguments.dataset
    images = {image.key: image for image in read_manifest(require_file(folder / "manifest.csv"))}
    chosen = [images[key_of(given, list(images))] for given in arguments.keys]
    labels = LabelFile(require_file(folder / "parsing" / f"{config.scheme_of(arguments.model, arguments.dataset)}.h5"))
    matching, root = config.matchings[arguments.matching or model.matching], Path(dataset.root)
    with reading(require_file(folder / arguments.model / seed / "embeddings.h5")) as file:
        for image in chosen:
            if image.split == "train":
                trained = arguments.results / trained_on / entry_of(arguments.model) / seed
                weights = require_file(trained / "model.safetensors")
                seen, number = _computed(image, weights, model, root, labels), None
            else:
                split = getattr(file, image.split)
                number = _number(split.key, image)
                seen = stored(image, split, number)
            yield image_card(seen, labels.label_map(image.key), root, file.parts)
            if number is None or image.identity == DISTRACTOR:
                yield text_banner("no ranking: nothing in the gallery shows this person")
            else:
                yield ranking(with_queries(file, split), number, matching, root)


def key_of(given: str, keys: list[str]) -> str:
    """The one key that is, or ends with, what was given."""
    if given in keys:
        return given
    ending = [key for key in keys if key.endswith(f"/{given}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise UserError(f"{given}: is the end of {len(ending)} keys, such as {ending[0]}; give all of one")
    near = difflib.get_close_matches(given, keys, 1, 0) or ["none"]
    raise UserError(f"{given}: is no image of the manifest; the nearest is {near[0]}")


def _number(keys: list[str], image: ImageRow) -> int:
    if image.key not in keys:
        raise UserError(f"{image.key}: was left out of the embeddings, since it could not be read")
    return keys.index(image.key)


def _computed(image: ImageRow, weights: Path, model: ModelInUse, root: Path, labels: LabelFile) -> Prediction:
    """What the trained network makes of an image that is neither query nor gallery."""
    if not image.readable:
        raise UserError(f"{image.key}: could not be read when the manifest was made")
    attended = labels if model.head.attention == "labels" else None
    (batch,) = embedding_loader(root, [image], model.size, 1, 0, attended)
    return computed(image, embed(load_model(weights).network, batch, model, torch.device("cpu")), 0)
