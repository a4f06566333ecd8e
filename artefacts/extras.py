"""Packages that few commands need: the extras of pyproject.toml."""

from importlib import import_module
from types import ModuleType

from artefacts.errors import UserError


def needed(module: str, extra: str) -> ModuleType:
    """A module that `extra` installs. Raises UserError, with how to install it, where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"{module}: cannot be imported ({error}); install it: pip install '.[{extra}]'") from None
