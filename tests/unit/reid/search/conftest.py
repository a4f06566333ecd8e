"""Features of a pack that no network made."""

from pathlib import Path

import numpy as np
import pytest

from reid.checkpoints.pack import pack_of
from reid.search.feature_file import write_features
from reid.search.features import Features
from tests.packs import PARTS, trained


@pytest.fixture(scope="module")
def pack(config):
    known, settings = trained(config)
    matching = config.matchings["default"]
    made = pack_of(known, settings, matching, name="people/small", seed=1, trained={}, provenance={})
    return made.model_copy(update={"channels": 8})  # of what is fabricated


def fabricated(pack, seed: int, images: int) -> Features:
    """Features of random images, always the same of a seed."""
    rng = np.random.default_rng(seed)
    visible = rng.random((images, len(PARTS) + 2)) < 0.5
    visible[:, :2] = True
    embeddings = rng.normal(size=(images, len(PARTS) + 2, 8)).astype(np.float32)
    names = [f"{seed}/{number}.jpg" for number in range(images)]
    attention = np.zeros((images, len(PARTS) + 1, 4, 2), np.uint8)
    return Features(pack, names, embeddings, visible, rng.random(visible.shape).astype(np.float32), attention)


def kept(path: Path, features: Features) -> Path:
    """The file `path` of these features."""
    write_features(path, features, [f"{path.stem}{name}" for name in features.names])
    return path
