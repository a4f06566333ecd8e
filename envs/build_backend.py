"""What pip builds the project with (PEP 517): setuptools, and for a wheel a tree whose one top-level package is `reid`.

A wheel goes into environments full of other people's code, where `artefacts` and `parsing` are names that could clash.
It has them as `reid._shared.artefacts` and `reid._shared.parsing`, those of their modules alone that `reid` imports,
so that `from reid import load` is the same line everywhere. An editable install is setuptools' own: the folders of
the repository under their names.
"""

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
]
PROJECT = Path(__file__).resolve().parent.parent
SHARED = "reid._shared"
IMPORT = re.compile(r"^([ \t]*(?:from|import) )(artefacts|parsing)\b", re.MULTILINE)
DESCRIBING = ("pyproject.toml", "README.md", "LICENSE")


def build_wheel(folder: str, config_settings: dict | None = None, metadata_directory: str | None = None) -> str:
    """The name of a wheel made in `folder`. No hook prepares its metadata: pip takes them from the wheel."""
    target = str(Path(folder).resolve())
    with tempfile.TemporaryDirectory() as tree:
        write_tree(Path(tree))
        with contextlib.chdir(tree):
            return build_meta.build_wheel(target, config_settings)


def write_tree(tree: Path) -> None:
    """What the wheel is made of, in an empty folder."""
    for name in DESCRIBING:
        shutil.copy(PROJECT / name, tree)
    shutil.copytree(PROJECT / "reid", tree / "reid", ignore=shutil.ignore_patterns("__pycache__"))
    shared = tree.joinpath(*SHARED.split("."))
    for module in shared_modules():
        target = shared / module.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, target)
    (shared / "__init__.py").write_text('"""Packages of the project that `reid` needs, inside it."""\n')
    for path in tree.rglob("*.py"):
        path.write_text(IMPORT.sub(rf"\1{SHARED}.\2", path.read_text(encoding="utf-8")), encoding="utf-8")


def shared_modules() -> Iterator[Path]:
    """Modules outside `reid` that any module of it reaches by imports."""
    sys.path.insert(0, str(PROJECT))
    from artefacts.provenance import _source, import_closure

    modules = [path.relative_to(PROJECT).with_suffix("") for path in (PROJECT / "reid").rglob("*.py")]
    names = {name for path in modules for name in import_closure(".".join(path.parts).removesuffix(".__init__"))}
    return (_source(name) for name in sorted(names) if name.split(".")[0] != "reid")
