"""Fixtures that several tests share."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reid.config.files import CONFIGURATION, read_configuration
from reid.config.root import Config
from tests.people import People, draw, stage, write_true_labels

PROJECT = Path(__file__).resolve().parent.parent

# The same examples in every run, and no failure because the machine is busy.
settings.register_profile("project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture(autouse=True)
def no_accelerator_of_another_test():
    """Within a process accelerate keeps its first device and precision; each test is to choose its own."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def people(tmp_path_factory) -> People:
    """Drawn once for all tests; copy it before changing anything."""
    folder = tmp_path_factory.mktemp("people")
    index = draw(folder)
    entry = {"reader": "market1501", "root": str(index.parent)}
    manifest, labels = folder / "manifest.csv", folder / "labels.h5"
    assert stage("manifest", config={"name": "people", "dataset": entry}, index=index, manifest=manifest) == 0
    write_true_labels(index.with_name("truth.h5"), manifest, labels)
    return People(index.parent, index, index.with_name("truth.h5"), manifest, labels, entry)


@pytest.fixture(scope="session")
def config() -> Config:
    """The project's own configuration."""
    return read_configuration([PROJECT / name for name in CONFIGURATION])
