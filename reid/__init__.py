"""Occluded person re-identification. `reid.load` gives a trained model (docs/use.md)."""

from importlib import import_module
from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`load`, found when it is asked for: a dry run needs no torch, and no stage depends on the code behind it."""
    if name != "load":
        raise AttributeError(f"module 'reid' has no attribute {name!r}")
    return import_module("reid.search.extractor").load
