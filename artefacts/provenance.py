"""Where an artefact comes from: the digest of the code behind a stage, and the record kept inside every artefact."""

import ast
import functools
import hashlib
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from artefacts.files import sha256_of

ROOT = Path(__file__).resolve().parents[__name__.count(".")]  # the folder with the packages, also in a wheel
OWN_PACKAGES = ("artefacts", "parsing", "reid")
RECORDED_PACKAGES = (
    "torch", "torchvision", "timm", "openpifpaf-vita", "numpy", "numba", "pillow", "h5py", "accelerate",
)  # fmt: skip
SCHEMA_VERSION = 1
CONFIGURATION = ("config", "stage_config")  # names of modules and packages whose values a stage is told as `--config`
ONLY_SHOWN = ("artefacts.errors", "artefacts.progress", "reid.training.early_warnings")  # messages


@functools.cache
def code_digest(module: str) -> str:
    """Digest of a module and of all our modules that it imports, blind to comments, docstrings and layout.

    Snakemake's own code trigger sees only a rule's shell text; this digest, held as a param, makes a stage run again
    exactly when code that it executes has changed.
    """
    digest = hashlib.sha256()
    for name in sorted(filter(has_results, import_closure(module))):
        digest.update(f"{name}={_read(_source(name))[1]}\n".encode())
    return digest.hexdigest()[:16]


def has_results(module: str) -> bool:
    """Whether a module can change a result other than through what a stage is told."""
    return module not in ONLY_SHOWN and not set(module.split(".")) & set(CONFIGURATION)


def import_closure(module: str) -> set[str]:
    """Names of all our own modules that `module` reaches by imports, itself included."""
    found: set[str] = set()
    open_ends = [module]
    while open_ends:
        name = open_ends.pop()
        if name in found or _source(name) is None:
            continue
        found.add(name)
        open_ends += _imported(_source(name)) + ([name.rpartition(".")[0]] if "." in name else [])
    return found


def _imported(source: Path) -> list[str]:
    return _read(source)[0]


@functools.cache
def _source(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@functools.cache
def _read(source: Path) -> tuple[list[str], str]:
    """Names that a module imports from our packages, and a digest of its syntax tree without docstrings."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Name) and node.id == "__path__":  # of a package that stands for all its modules
            package = ".".join(source.parent.relative_to(ROOT).parts)
            names += [f"{package}.{path.stem}" for path in sorted(source.parent.glob("[a-z]*.py"))]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    own = [name for name in names if name.split(".")[0] in OWN_PACKAGES]
    return own, hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers, where installed."""
    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def provenance(stage: str, config: object, inputs: dict[str, Path]) -> dict:
    """What made an artefact: schema version, stage module, what it was told, code digest, versions, input digests."""
    return {
        "schema": SCHEMA_VERSION,
        "stage": stage,
        "config": config,
        "code": code_digest(stage),
        "packages": package_versions(),
        "inputs": {name: {"file": Path(path).name, "sha256": sha256_of(path)} for name, path in inputs.items()},
    }
