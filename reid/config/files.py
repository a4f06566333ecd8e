"""The configuration as the workflow reads it: files of which each is laid over the ones before."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from artefacts.config import overlaid
from artefacts.errors import UserError
from reid.config.root import Config, load

# As in workflow/Snakefile: what users edit; recipes and matchings; part schemes and parsers; tables and ablations.
CONFIGURATION = [Path("config.yaml"), Path("recipes.yaml"), Path("schemes.yaml"), Path("paper.yaml")]


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
            raise UserError(f"{path}: cannot be read ({reason}); run this next to it, or use --configfile") from None
    return load(content)
