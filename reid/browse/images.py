"""The images that a page shows: what a model makes of them, where their files lie, and who is on them, if known.

No file is read that lies outside the folder of its images, by its name or through a link.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.errors import UserError
from artefacts.images import FORMATS, read_rgb
from reid.data.readers.files import contained
from reid.search.extractor import Extractor
from reid.search.features import Features
from reid.search.files import images_in
from reid.search.incremental import embedded


@dataclass(frozen=True)
class ImageSet:
    """N images below `root`, by their `features`; `identities` and `cameras` [N] where a dataset knows them.

    `names` of the features are paths; keys are paths below the root. Identity 0 is a distractor's.
    """

    features: Features
    root: Path
    identities: np.ndarray | None = None
    cameras: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features)

    def key(self, number: int) -> str:
        """Path of an image below the root."""
        return Path(os.path.relpath(self.features.names[number], self.root)).as_posix()

    def picture(self, number: int) -> Image.Image:
        """An image, upright, as RGB. Raises UserError if it lies outside the root, UnreadableImage if it cannot be
        read."""
        return read_rgb(contained(self.root, self.key(number)))

    def file(self, number: int) -> tuple[bytes, str]:
        """The bytes of an image's file and their media type, by what they hold. Raises as `picture` does."""
        path = contained(self.root, self.key(number))
        read_rgb(path)
        content = path.read_bytes()
        return content, Image.MIME[Image.open(io.BytesIO(content), formats=FORMATS).format]


def of_images(given: Path, model: Extractor, readable: Callable[[Features], Features]) -> ImageSet:
    """All images in a folder, or one image, embedded now. Raises UserError if one lies elsewhere, or if `readable`
    refuses them."""
    names = images_in([given])
    folder = given if given.is_dir() else given.parent
    for name in names:
        contained(folder, os.path.relpath(name, folder))
    return ImageSet(readable(embedded(model, names)), folder)


def of_features(features: Features) -> ImageSet:
    """The images of a file of features: the folder that holds all of them is the root.

    Raises UserError if their files are not there, or if one is a link that leads elsewhere.
    """
    folders = [os.path.dirname(os.path.abspath(name)) for name in features.names]
    images = ImageSet(features, Path(os.path.commonpath(folders)))
    for number, name in enumerate(features.names):
        contained(images.root, images.key(number))
        if not os.path.exists(name):
            raise UserError(f"{name}: no such image; run this in the folder where it was embedded")
    return images
