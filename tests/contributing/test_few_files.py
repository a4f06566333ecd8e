"""How many files an addition touches: a layout one module next to its entry, a loss two files, a table row one."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from reid.config.report import Table
from tests.contributing.conftest import PROJECT, configured

LAYOUT = '''"""Layout of a shop: SPLIT/IDENTITY-CAMERA.png."""

from reid.data.readers.files import images_below
from reid.data.readers.names import Name


def read(root, wanted, options, name):
    keys = [key for split in wanted for key in images_below(root, split)]
    fields = [(key, *key.removesuffix(".png").replace("/", "-").split("-")) for key in keys]
    return [Name(key, split, int(who), int(camera), who, camera) for key, split, who, camera in fields]
'''


@pytest.mark.slow
def test_a_layout_is_one_module_and_an_entry(tmp_path):
    for package in ("artefacts", "parsing", "reid"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "reid/data/readers/layouts/corner_shop.py").write_text(LAYOUT)
    source = next((PROJECT / "docs").glob("*.png"))
    for name in ("train/1-1", "train/1-2", "query/2-1", "gallery/2-2"):
        image = tmp_path / "shop" / f"{name}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, image)
    entry = {"name": "shop", "dataset": {"reader": "corner_shop", "root": "shop"}}
    words = ["--config", json.dumps(entry), "--manifest", "manifest.csv", "--folder", "folder.json"]
    module = "reid.stages" if (PROJECT / "reid/stages/__main__.py").exists() else "reid"
    subprocess.run([sys.executable, "-m", module, "manifest", *words], cwd=tmp_path, check=True)
    assert "query/2-1.png,query,2,1" in (tmp_path / "manifest.csv").read_text()


def test_a_loss_is_a_choice_in_the_configuration_and_a_line_of_the_objective():
    files = {path for path in (PROJECT / "reid").rglob("*.py") if re.search(r"\bpart_triplet\b", path.read_text())}
    assert files == {PROJECT / "reid/config/training.py", PROJECT / "reid/losses/gilt.py"}


def test_a_table_row_is_a_line_of_a_table():
    row = {"label": "mine", "dataset": "synthetic", "model": "small", "matching": "default"}
    config = configured(tables={"mine": {"title": "Mine", "rows": [row]}})
    assert isinstance(config.tables["mine"], Table)
