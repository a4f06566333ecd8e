"""`reid pack`: the pack of a finished run, as rule pack writes it."""

import pytest
import yaml

import reid
from reid.__main__ import main
from reid.config.files import CONFIGURATION
from tests.conftest import PROJECT
from tests.packs import ENTRY, write_run


@pytest.fixture
def words(config, tmp_path):
    """The command for a run of the demo's dataset by a model of random weights."""
    over = {"models": {"tiny": {"extends": "small"} | ENTRY}}
    (tmp_path / "over.yaml").write_text(yaml.safe_dump(over))
    write_run(tmp_path / "results/synthetic/tiny", config)
    files = [*(PROJECT / name for name in CONFIGURATION), tmp_path / "over.yaml"]
    return ["pack", "synthetic", "tiny", "--results", str(tmp_path / "results"), "--configfile", *map(str, files)]


def test_a_finished_run_is_packed(words, tmp_path):
    assert main(words) == 0
    assert reid.load(tmp_path / "results/synthetic/tiny/pack", "cpu").pack.name == "synthetic/tiny"
    assert main([*words, "--output", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere/README.md").is_file()


def test_what_is_missing_is_one_line(words, tmp_path, capsys):
    metrics = tmp_path / "results/synthetic/tiny/metrics.json"
    metrics.unlink()
    assert main(words) == 1
    assert main(["pack", "synthetic", "huge", *words[3:]]) == 1
    missing, unknown = capsys.readouterr().err.splitlines()
    assert missing == f"error: {metrics}: is missing; make it: snakemake --cores 2 {metrics}"
    assert unknown.startswith("error: model: 'huge' is not one of ")
