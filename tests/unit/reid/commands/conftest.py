"""A pack of random weights and a folder of rendered people, for the commands."""

import shutil

import pytest

from artefacts.manifest import read_manifest
from reid.checkpoints.pack_format import Calibration
from tests.packs import write

KNOTS = {"dataset": "people", "thresholds": {}, "distances": [0.0, 40.0], "probabilities": [1.0, 0.0]}


@pytest.fixture(scope="session")
def pack(config, tmp_path_factory):
    """The folder of a pack that is not calibrated."""
    return write(tmp_path_factory.mktemp("pack"), config)


@pytest.fixture(scope="session")
def calibrated(config, tmp_path_factory):
    """The folder of the same model, calibrated."""
    return write(tmp_path_factory.mktemp("calibrated"), config, calibration=Calibration(**KNOTS))


@pytest.fixture(scope="session")
def other(config, tmp_path_factory):
    """The folder of another model's pack."""
    return write(tmp_path_factory.mktemp("other"), config, name="people/other", provenance={"made": "otherwise"})


@pytest.fixture
def photos(people, tmp_path):
    """A folder of four images, one of them below another folder."""
    for number, row in enumerate(read_manifest(people.manifest, "query")[:4]):
        target = tmp_path / "photos" / ("more" if number == 3 else "") / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(people.root / row.key, target)
    return tmp_path / "photos"
