"""The configuration as the workflow reads it: config.yaml, with paper.yaml laid over it."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from artefacts.config import overlaid
from artefacts.errors import UserError
from reid.config.root import Config, load

CONFIGURATION = [Path("config.yaml"), Path("paper.yaml")]  # as in workflow/Snakefile


def read_configuration(paths: Sequence[Path] = tuple(CONFIGURATION)) -> Config:
    """The files of a configuration, later ones laid over earlier ones.

    Raises UserError for a file that cannot be read or is no YAML, and for a wrong key.
    """
    content: dict = {}
    for path in paths:
        try:
            content = overlaid(content, yaml.safe_load(path.read_text(encoding="utf-8")))
        except Exception as error:  # of many types: the file is anything
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: cannot be read ({reason}); run this beside it, or use --configfile") from None
    return load(content)
