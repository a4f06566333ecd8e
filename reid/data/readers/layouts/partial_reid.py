"""Layout of Partial-REID: partial images (cut to what is seen of the body), or occluded ones, among whole ones."""

from collections.abc import Iterable
from pathlib import Path

from reid.config.dataset import Options
from reid.data.readers.names import Name
from reid.data.readers.occluded import OCCLUDED, WHOLE, read_occluded


def read(root: Path, wanted: Iterable[str], options: Options, name: str) -> list[Name]:
    """All images of the `wanted` splits; the option `queries` tells which of its two kinds are searched for."""
    queries = f"{options.queries or 'partial'}_body_images"
    layout = {queries: ("query", OCCLUDED), "whole_body_images": ("gallery", WHOLE)}
    return read_occluded(root, layout, wanted, name)
