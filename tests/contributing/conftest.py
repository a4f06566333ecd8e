"""What the examples of CONTRIBUTING.md share."""

from pathlib import Path

import yaml

from artefacts.config import overlaid
from reid.config.root import Config, load

PROJECT = Path(__file__).resolve().parents[2]


def configured(**entries: dict) -> Config:
    """The project's configuration with more entries in these sections."""
    content: dict = {}
    for name in ("config.yaml", "paper.yaml"):
        content = overlaid(content, yaml.safe_load((PROJECT / name).read_text()))
    return load(overlaid(content, entries))
