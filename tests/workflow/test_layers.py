"""Imports point one way: config, data and model, checkpoints, training and embeddings, evaluation, search, report,
browse, stages, commands.

`artefacts` and `parsing` never import `reid`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from artefacts.provenance import _imported, _source, has_results, import_closure

PROJECT = Path(__file__).resolve().parents[2]
LAYERS = (
    "config",
    "data synthetic model losses",
    "checkpoints",
    "training embeddings",
    "evaluation",
    "search",
    "report export adapters",
    "browse",
    "stages",
    "commands",
    "__main__",
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
PARSING_FOR_REID = {
    "parsing",
    "parsing.config",
    "parsing.conversion",
    "parsing.conversion.config",
    "parsing.store",
    "parsing.schemes",
}
LIGHT = (
    "artefacts.folders", "artefacts.provenance", "parsing.schemes", "parsing.stage_config", "reid.config.stages",
    "reid.config.table_stages", "reid.report.targets",
)  # fmt: skip


def modules(package: str) -> list[str]:
    paths = [path.relative_to(PROJECT).with_suffix("") for path in (PROJECT / package).rglob("*.py")]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def direct(module: str) -> set[str]:
    """Own modules that a module itself imports (parent packages left out)."""
    return {name for name in _imported(_source(module)) if _source(name)}


@pytest.mark.parametrize("module", [name for name in modules("reid") if "." in name])
def test_reid_imports_point_down(module):
    for imported in direct(module):
        if imported.startswith("parsing"):
            assert imported in PARSING_FOR_REID
        elif imported.startswith("reid."):
            own, other = (name.split(".")[1] for name in (module, imported))
            assert own == other or RANK[other] < RANK[own], f"{module} imports {imported}"


@pytest.mark.parametrize("module", modules("parsing") + modules("artefacts"))
def test_lower_packages_import_nothing_above(module):
    above = ("reid",) if module.startswith("parsing") else ("reid", "parsing")
    assert not [name for name in direct(module) if name.split(".")[0] in above]


def test_types_of_the_configuration_are_no_code_that_reruns_a_stage():
    """What they hold is what the stages are told of it."""
    types = {name for name in import_closure("reid.config.stages") if name.startswith(("parsing.", "reid."))}
    modules = {name for name in types if _source(name).name != "__init__.py"}
    assert modules >= {"reid.config.root", "parsing.config", "parsing.conversion.config"}
    assert not [name for name in modules if has_results(name)]


def test_one_module_imports_openpifpaf():
    importers = [
        path
        for package in ("artefacts", "parsing", "reid")
        for path in (PROJECT / package).rglob("*.py")
        if any(line.startswith(("import openpifpaf", "from openpifpaf")) for line in path.read_text().splitlines())
    ]
    assert importers == [PROJECT / "parsing/pifpaf/network.py"]


def test_no_reid_stage_reaches_openpifpaf():
    assert not [module for module in modules("reid") if "parsing.pifpaf.network" in import_closure(module)]


def test_what_a_dry_run_loads_is_light():
    code = f"import sys, {', '.join(LIGHT)}; sys.exit(bool({{'torch', 'numpy', 'h5py'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
