"""The project's configuration, for tests that change it or run a copy of the workflow."""

import shutil
from pathlib import Path

import yaml

from artefacts.config import overlaid
from reid.config.files import CONFIGURATION

PROJECT = Path(__file__).resolve().parents[1]


def all_content() -> dict:
    """All of the configuration as one dict."""
    merged: dict = {}
    for name in CONFIGURATION:
        merged = overlaid(merged, yaml.safe_load((PROJECT / name).read_text()))
    return merged


def copy_configuration(folder: Path) -> None:
    """Copy the files of the configuration that `folder` does not have yet."""
    for name in CONFIGURATION:
        if not (folder / name).exists():
            shutil.copy(PROJECT / name, folder)
