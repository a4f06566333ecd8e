"""The project's configuration, for tests that change it or run a copy of the workflow."""

import shutil
from pathlib import Path

import pytest
import yaml

from artefacts.config import overlaid
from artefacts.errors import UserError
from reid.config.files import CONFIGURATION
from reid.config.root import load

PROJECT = Path(__file__).resolve().parents[1]
DEMO_ROW = {"label": "BoT", "dataset": "synthetic", "model": "bot_small", "matching": "global"}  # of table demo


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


def refusal(path: str, value: object) -> str:
    """The line that refuses config.yaml with the value at `path` replaced."""
    content = all_content()
    *steps, last = path.split("/")
    place = content
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    with pytest.raises(UserError) as error:
        load(content)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("configuration: ")
