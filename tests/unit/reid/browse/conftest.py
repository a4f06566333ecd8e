"""Fabricated features of images in a folder, and a session that searches them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reid.browse.images import ImageSet
from reid.browse.session import Session
from reid.checkpoints.pack import pack_of
from reid.checkpoints.pack_format import Calibration
from reid.search.features import Features
from tests.packs import PARTS, trained

KNOTS = {"dataset": "people", "thresholds": {"1e-2": 9.0}, "distances": [0.0, 9.0], "probabilities": [1.0, 0.0]}


@pytest.fixture(scope="session")
def pack(config):
    """A calibrated pack of random weights, with embeddings of length 8."""
    known, settings = trained(config)
    told = {"name": "people/small", "seed": 1, "trained": {}, "provenance": {}, "calibration": Calibration(**KNOTS)}
    return pack_of(known, settings, config.matchings["default"], **told).model_copy(update={"channels": 8})


@pytest.fixture
def session(pack, tmp_path):
    """Eleven gallery images of four identities (one a distractor's) on two cameras, and three queries."""
    return Session(SimpleNamespace(pack=pack), images(pack, tmp_path, 1, 11), images(pack, tmp_path, 2, 3))


def images(pack, folder, seed: int, count: int) -> ImageSet:
    """Images in `folder`, of identities 0, 1, 2, 3, 0, … and cameras 1, 1, 2, 2, 1, …"""
    rng = np.random.default_rng(seed)
    visible = rng.random((count, len(PARTS) + 2)) < 0.6
    visible[:, :2] = True
    names = [str(folder / f"{seed}" / f"{number}.png") for number in range(count)]
    (folder / f"{seed}").mkdir()
    for name in names:
        Image.new("RGB", (8, 16), "red").save(name)
    numbers = np.arange(count)
    features = Features(
        pack,
        names,
        rng.normal(size=(count, len(PARTS) + 2, 8)).astype(np.float32),
        visible,
        rng.random(visible.shape).astype(np.float32),
        rng.integers(0, 256, (count, len(PARTS) + 1, 4, 2), dtype=np.uint8),
    )
    return replace(ImageSet(features, folder), identities=numbers % 4, cameras=1 + numbers // 2 % 2)
