"""Draw all that is known of some images: labels, attention and visibility of each part, and what each part finds.

Reads the files of a finished run, for a look before its numbers are believed; no rule, since keys hold slashes.
"""

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from artefacts.config import must_be_one_of
from artefacts.errors import UserError
from artefacts.files import replacing
from artefacts.manifest import DISTRACTOR, ImageRow, read_manifest
from parsing.store import LabelFile
from reid.checkpoints.store import load_model
from reid.config.files import CONFIGURATION, read_configuration
from reid.config.root import Config, ModelInUse
from reid.data.loading import embedding_loader
from reid.embeddings.extract import embed
from reid.embeddings.store import reading
from reid.report.figures.single_image import Seen, computed, portrait, ranking, remark, searched_for, stacked, stored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY", help="image of the manifest, or the end of its key")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, help="the dataset's first, unless given")
    parser.add_argument("--matching", help="the model's, unless given")
    parser.add_argument("--configfile", type=Path, nargs="+", default=CONFIGURATION, help="later over earlier")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--picture", type=Path, help="output PNG; results/DATASET/MODEL/show.png, unless given")


def run(arguments: argparse.Namespace) -> None:
    config = read_configuration(arguments.configfile)
    names = arguments.dataset, arguments.model, arguments.matching
    try:
        must_be_one_of("--dataset", names[0], config.datasets)
        must_be_one_of("--model", names[1], config.models)
        must_be_one_of("--matching", names[2] or config.model(names[1]).matching, config.matchings)
    except ValueError as error:
        raise UserError(str(error)) from None
    picture = arguments.picture or arguments.results / arguments.dataset / arguments.model / "show.png"
    page = stacked(list(_pages(arguments, config)))
    with replacing(picture) as path:
        page.save(path, "PNG")
    print(picture)


def _pages(arguments: argparse.Namespace, config: Config) -> Iterator[Image.Image]:
    dataset, model = config.datasets[arguments.dataset], config.model(arguments.model)
    trained_on = dataset.trains_on or arguments.dataset
    seed = dataset.seeds[0] if arguments.seed is None else arguments.seed
    folder, run = arguments.results / arguments.dataset, f"{arguments.model}/seed{seed}"
    images = {image.key: image for image in read_manifest(_there(folder / "manifest.csv"))}
    chosen = [images[key_of(given, list(images))] for given in arguments.keys]
    labels = LabelFile(_there(folder / "parsing" / f"{config.scheme_of(arguments.model, arguments.dataset)}.h5"))
    matching, root = config.matchings[arguments.matching or model.matching], Path(dataset.root)
    with reading(_there(folder / run / "embeddings.h5")) as file:
        for image in chosen:
            if image.split == "train":
                weights = _there(arguments.results / trained_on / run / "model.safetensors")
                seen, number = _computed(image, weights, model, root, labels), None
            else:
                split = getattr(file, image.split)
                number = _number(split.key, image)
                seen = stored(image, split, number)
            yield portrait(seen, labels.label_map(image.key), root, file.parts)
            if number is None or image.identity == DISTRACTOR:
                yield remark("no ranking: nothing in the gallery shows this person")
            else:
                yield ranking(searched_for(file, split), number, matching, root)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it: snakemake --cores 2 {path}")
    return path


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


def _computed(image: ImageRow, weights: Path, model: ModelInUse, root: Path, labels: LabelFile) -> Seen:
    """What the trained network makes of an image that is neither query nor gallery."""
    if not image.readable:
        raise UserError(f"{image.key}: could not be read when the manifest was made")
    attended = labels if model.head.attention == "labels" else None
    (batch,) = embedding_loader(root, [image], model.size, 1, 0, attended)
    return computed(image, embed(load_model(weights).network, batch, model, torch.device("cpu")), 0)
