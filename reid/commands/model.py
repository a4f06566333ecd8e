"""The model of a pack, as commands take it, and what they say of images that could not be read."""

import argparse
import sys
from pathlib import Path

import torch

from artefacts.errors import UserError
from reid.data.readers.files import is_image
from reid.search.extractor import Extractor, load
from reid.search.feature_file import EMBED, ENDING, read_features
from reid.search.features import Features


def add_model(parser: argparse.ArgumentParser) -> None:
    """The options that name a model and its device."""
    parser.add_argument(
        "--model", required=True, metavar="PACK", help="folder of a model pack, or owner/name on the hub"
    )
    parser.add_argument("--device", help="torch's name of one; a GPU where there is one, unless given")


def load_pack(arguments: argparse.Namespace) -> Extractor:
    """The model asked for. Raises UserError if there is no such pack or device."""
    try:
        torch.zeros(1, device=arguments.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device: {arguments.device!r} cannot be used ({reason}); try cpu") from None
    return load(arguments.model, arguments.device)


def require_readable(features: Features) -> Features:
    """The same features; images that could not be read are listed on standard error. Raises UserError if all are."""
    for name, why in features.failed.items():
        print(f"{name}: left out, cannot be read ({why})", file=sys.stderr)
    if not len(features):
        raise UserError(f"none of {len(features.failed)} images can be read; give images that Pillow opens")
    return features


def is_of_images(gallery: Path) -> bool:
    """Whether a gallery is a folder of images or an image, and no file of features. Raises UserError if it is not there
    and does not end as a file of either."""
    if gallery.is_dir() or is_image(gallery.name):
        return True
    if gallery.suffix.lower() != ENDING and not gallery.exists():
        raise UserError(f"{gallery}: no such folder; give one with images, an image, or {ENDING} of reid embed")
    return False


def read_gallery(path: Path, model: Extractor, mapped: bool = False) -> Features:
    """Features of a file that `reid embed` wrote, which stay there if `mapped`. Raises UserError if they are of another
    model."""
    gallery = read_features(path, mapped).features
    if not gallery.pack.embeds_as(model.pack):
        raise UserError(
            f"{path}: holds features of another model than {model.pack.name} (of {gallery.pack.name}); "
            f"embed its images by this one: {EMBED}"
        )
    if not len(gallery):
        raise UserError(f"{path}: holds no image; embed some")
    return gallery
