"""Layout of Market-1501, which DukeMTMC-reID, Occluded-Duke and CUHK03-NP share (`reid.data.readers.market1501`)."""

from collections.abc import Iterable
from pathlib import Path

from reid.config.dataset import Options
from reid.data.readers.market1501 import read_market1501
from reid.data.readers.names import Name


def read(root: Path, wanted: Iterable[str], options: Options, name: str) -> list[Name]:
    """All images of the `wanted` splits, and those of the option `distractor_folder`."""
    return read_market1501(root, wanted, options.distractor_folder, name)
