"""What the examples of CONTRIBUTING.md share."""

from pathlib import Path

from artefacts.config import overlaid
from reid.config.root import Config, load
from tests.configuration import all_content

PROJECT = Path(__file__).resolve().parents[2]


def configured(**entries: dict) -> Config:
    """The project's configuration with more entries in these sections."""
    return load(overlaid(all_content(), entries))
