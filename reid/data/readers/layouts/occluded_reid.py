"""Layout of Occluded-ReID: occluded images are searched among whole ones, in a folder of each identity."""

from collections.abc import Iterable
from pathlib import Path

from reid.config.dataset import Options
from reid.data.readers.names import Name
from reid.data.readers.occluded import OCCLUDED, WHOLE, read_occluded

LAYOUT = {
    "occluded_body_images": ("query", OCCLUDED),
    "whole_body_images": ("gallery", WHOLE),
}


def read(root: Path, wanted: Iterable[str], options: Options, name: str) -> list[Name]:
    """All images of the `wanted` splits in the folders of `LAYOUT`."""
    return read_occluded(root, LAYOUT, wanted, name)
