"""The wheel: what `pip install .` brings into other people's environments, at both ends of the versions it allows."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reid
from artefacts.provenance import _source, import_closure
from tests.packs import write

PROJECT = Path(__file__).resolve().parents[2]
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
ENDS = os.environ.get("BPBREID_ENDS")  # a folder for the environments `low` and `high`: kept, used if they are there
OURS = "import sys; assert not {'artefacts', 'parsing', 'tests'} & set(sys.modules)"
MINIMAL = ("pandas", "pyarrow", "scipy", "accelerate", "matplotlib", "snakemake")  # what using a model must not need


def backend():
    specification = importlib.util.spec_from_file_location("build_backend", PROJECT / "envs/build_backend.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def imported(source: Path) -> set[str]:
    """Names of modules that a file imports; of `from a import b`, a."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def test_a_wheel_has_all_that_reid_imports_inside_it(tmp_path):
    backend().write_tree(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["reid"]
    for path in tmp_path.rglob("*.py"):
        for name in imported(path):
            assert name.split(".")[0] not in ("artefacts", "parsing", "tests", "envs"), f"{path}: {name}"
            if name.startswith("reid."):
                file = tmp_path.joinpath(*name.split("."))
                assert file.with_suffix(".py").exists() or (file / "__init__.py").exists(), f"{path}: {name}"
    assert not list(tmp_path.rglob("pifpaf")), "the AGPL's openpifpaf is no business of a trained model"


USES = ("embed", "search", "compare", "browse", "index", "export")


@pytest.mark.parametrize(
    "module", [*(f"reid.commands.{name}" for name in USES), "reid.search.extractor", "reid.adapters.torchreid"]
)
def test_using_a_model_needs_no_pandas(module):
    """Not even where it is imported late: with pandas 2 and 3 it is the same. Parquet takes pyarrow, re-ranks SciPy."""
    needed = {name.split(".")[0] for source in import_closure(module) for name in imported(_source(source))}
    assert {"torch", "numpy"} <= needed
    assert not needed & (set(MINIMAL) - {"pyarrow", "scipy"})


def test_an_editable_install_is_that_of_setuptools():
    """pip falls back to nothing where a backend lacks one of these."""
    from setuptools import build_meta

    hooks = ("build_editable", "prepare_metadata_for_build_editable", "get_requires_for_build_editable", "build_sdist")
    assert all(getattr(backend(), hook) is getattr(build_meta, hook) for hook in hooks)


def build(project: Path, what: str, folder: Path) -> Path:
    """The `sdist` or `wheel` of a project, built where nothing but setuptools can be imported."""
    folder.mkdir(parents=True)
    block = "".join(f"sys.modules[{name!r}] = None; " for name in ("pydantic", "numpy", "torch"))
    code = f"import sys; {block}import build_backend; build_backend.build_{what}(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": str(project / "envs")}
    subprocess.run([sys.executable, "-c", code, folder], cwd=project, env=environment, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


def unpacked_sdist(folder: Path) -> Path:
    """What a clean clone gives others as source, unpacked."""
    (folder / "clone").mkdir(parents=True)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, folder / "clone")
    for name in ("artefacts", "envs", "parsing", "reid", "tests"):
        shutil.copytree(PROJECT / name, folder / "clone" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.unpack_archive(build(folder / "clone", "sdist", folder / "sdist"), folder)
    (source,) = folder.glob("bpbreid-*")
    return source


def installed(python: str | Path, folder: Path) -> Path:
    """Folder with the packages of the wheel of the sdist."""
    wheel = build(unpacked_sdist(folder / "source"), "wheel", folder / "wheels")
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder / "site"]
    subprocess.run([python, "-m", "pip", "install", *options, wheel], check=True)
    return folder / "site"


def used(python: str | Path, site: Path, pack: Path, folder: Path) -> np.ndarray:
    """Embeddings of some images, after `reid embed`, `search` and `compare` have run with what is in `site`."""
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    run = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(site)}, "check": True, "text": True}
    block = "".join(f"sys.modules[{name!r}] = None; " for name in MINIMAL)
    for words in (
        f"embed {folder} --model {pack} --output seen.npz",
        f"embed {folder} --model {pack} --output seen.csv",
        f"search 0.png --gallery seen.npz --model {pack} --picture found.png",
        f"compare 0.png 1.png --model {pack}",
    ):
        code = f"import sys; {block}from reid.__main__ import main; assert not main(); {OURS}"
        subprocess.run([python, "-c", code, *words.split()], **run, stdout=subprocess.DEVNULL)
    code = (
        "import reid, PIL, numpy, torch; print(reid.__file__, torch.__version__, numpy.__version__, PIL.__version__); "
        f"{OURS}"
    )
    said = subprocess.run([python, "-c", code], **run, stdout=subprocess.PIPE).stdout
    assert said.startswith(f"{site}{os.sep}reid"), said
    print(said)
    with np.load(folder / "seen.npz") as file:
        return file["embeddings"]


@pytest.mark.slow
def test_commands_work_from_the_wheel(config, tmp_path):
    site = installed(sys.executable, tmp_path)
    assert {path.name for path in (site / "bin").iterdir()} == set(METADATA["scripts"])
    (described,) = site.glob("*.dist-info")
    assert {path.name for path in site.iterdir()} == {"reid", "bin", described.name}
    assert (described / "top_level.txt").read_text().split() == ["reid"]
    data = [path.relative_to(PROJECT) for path in (PROJECT / "reid").rglob("*.*") if path.suffix != ".py"]
    data = [path for path in data if "__pycache__" not in path.parts]
    assert Path("reid/report/published.json") in data
    assert not [path for path in data if not (site / path).exists()], "missing in package-data of pyproject.toml"
    backend().write_tree(tmp_path)
    wheel = [path.relative_to(tmp_path) for path in (tmp_path / "reid").rglob("*.py")]
    assert [path for path in wheel if (site / path).read_bytes() != (tmp_path / path).read_bytes()] == []
    pack = write(tmp_path / "pack", config)
    seen = used(sys.executable, site, pack, tmp_path / "images")
    expected = reid.load(pack, "cpu").embed(sorted((tmp_path / "images").glob("[0-9].png")))
    np.testing.assert_allclose(seen, expected.embeddings, atol=1e-5)


def requirements(end: str) -> list[str]:
    """What an environment at an end of the ranges holds: the lower bounds exactly, or the newest of all."""
    return [re.sub(">=.*", "", one) if end == "high" else one.replace(">=", "==") for one in METADATA["dependencies"]]


@pytest.mark.slow
@pytest.mark.skipif(not ENDS, reason="make test-ends makes environments of several gigabytes")
@pytest.mark.parametrize("end", ["low", "high"])
def test_the_ends_of_the_ranges_give_the_same_features(end, config, tmp_path):
    folder = Path(ENDS).absolute() / end
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements(end)], check=True)
    site = installed(python, tmp_path)
    pack = write(tmp_path / "pack", config)
    seen = used(python, site, pack, tmp_path / "images")
    expected = reid.load(pack, "cpu").embed(sorted((tmp_path / "images").glob("[0-9].png")))
    np.testing.assert_allclose(seen, expected.embeddings, atol=1e-4)
