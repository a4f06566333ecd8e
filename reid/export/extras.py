"""Packages that only exporting needs."""

from importlib import import_module
from types import ModuleType

from artefacts.errors import UserError


def needed(module: str) -> ModuleType:
    """A module of the extra `export`. Raises UserError, with how to install it, where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"{module}: cannot be imported ({error}); install it: pip install '.[export]'") from None
