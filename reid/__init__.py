"""Occluded person re-identification. `reid.load` gives a trained model: see docs/use.md."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid.search.extractor import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`load`, imported when it is asked for: a dry run of the workflow needs no torch."""
    if name != "load":
        raise AttributeError(f"module 'reid' has no attribute {name!r}")
    from reid.search.extractor import load

    return load
