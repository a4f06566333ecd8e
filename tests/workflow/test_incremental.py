"""A dataset that grows, under the real Snakemake: what was labelled is labelled no more."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.configuration import copy_configuration

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("artefacts", "envs", "parsing", "reid", "resources", "workflow")
TARGET = "results/crops/parsing/fields.h5"

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, people) -> Path:
    """A copy of the project with a dataset of crops, named in Market-1501's way, of which the last two are missing."""
    for name in COPIED:
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    config["datasets"]["crops"] = {"reader": "market1501", "root": "data/crops", "scheme": "five", "pifpaf": "small"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    copy_configuration(tmp_path)
    shutil.copytree(people.root, tmp_path / "data/crops")
    (tmp_path / "later").mkdir()
    for image in images(tmp_path)[-2:]:
        image.rename(tmp_path / "later" / image.name)
    return tmp_path


def images(project: Path) -> list[Path]:
    return sorted((project / "data/crops/bounding_box_train").glob("*.jpg"))


def snakemake(project: Path) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", TARGET]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=1800)
    assert result.returncode == 0, result.stdout + result.stderr
    return "".join(log.read_text() for log in sorted((project / "logs/crops").glob("fields.*.log")))


def test_added_images_alone_are_labelled_and_the_bytes_are_those_of_a_run_from_nothing(project):
    assert "are known" not in snakemake(project)
    for image in (project / "later").iterdir():
        image.rename(images(project)[0].with_name(image.name))
    counts = re.findall(r"(\d+) of (\d+) images are known, (\d+) are new", snakemake(project))
    assert len(counts) == 2
    assert sum(int(new) for _, _, new in counts) == 2
    assert sum(int(known) for known, _, _ in counts) == sum(int(all_) for _, all_, _ in counts) - 2
    grown = (project / TARGET).read_bytes()
    shutil.rmtree(project / "results/crops/parsing")
    assert "are known" not in snakemake(project)
    assert (project / TARGET).read_bytes() == grown
    assert [path.name for path in (project / "state").rglob("*") if path.is_file()] == ["lock", "lock"]
