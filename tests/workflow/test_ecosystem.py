"""What the project says to other programs: console scripts, continuous integration, citation, catalog, hooks."""

import re
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
SCRIPTS = METADATA["scripts"]
LINTED = ("lint", "schema")


def parsed(file: str) -> dict:
    """The YAML file, all of its words as texts (`on` would be read as a truth value)."""
    return yaml.load((PROJECT / file).read_text(), yaml.BaseLoader)


@pytest.mark.parametrize("name", SCRIPTS)
def test_console_scripts_print_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    main = EntryPoint(name, SCRIPTS[name], "console_scripts").load()
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {name} ")


def test_continuous_integration_runs_what_ci_run_runs():
    workflow = parsed(".github/workflows/ci.yml")
    assert {"push", "pull_request"} <= set(workflow["on"])
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    (python,) = (step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {}))
    assert METADATA["requires-python"] == f">={python}"


def test_the_citation_names_the_paper_and_this_version():
    citation = parsed("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == METADATA["version"]
    assert citation["license"] == METADATA["license"]
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Somers", "De Vleeschouwer", "Alahi"]
    assert paper["title"] == "Body Part-Based Representation Learning for Occluded Person Re-Identification"
    assert (paper["type"], paper["year"]) == ("conference-paper", "2023")


def test_the_changelog_knows_this_version():
    assert re.search(rf"^## {re.escape(METADATA['version'])}\b", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_catalog_s_claims_hold():
    usage = parsed(".snakemake-workflow-catalog.yml")["usage"]
    rules = [path.read_text() for path in (PROJECT / "workflow/rules").glob("*.smk")]
    declared = sum(len(re.findall(r"^rule ", text, re.MULTILINE)) for text in rules)
    environments = sum(len(re.findall(r"^    conda:", text, re.MULTILINE)) for text in rules)
    assert (usage["software-stack-deployment"]["conda"] == "true") == (declared == environments)
    assert (usage["report"] == "true") == any("report(" in text for text in rules)


def test_hooks_are_the_linters_of_make_lint():
    (repository,) = parsed(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = [hook["entry"] for hook in repository["hooks"]]
    makefile = (PROJECT / "Makefile").read_text()
    lint, schema = (re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1] for target in LINTED)
    for line in lint.splitlines():
        program = " ".join(line.split()[:2]) if line.split()[0] != "snakefmt" else "snakefmt"
        assert [hook for hook in hooks if hook.startswith(program)], f"{line.strip()}: has no hook"
    assert [hook for hook in hooks if schema.strip() in hook]


def test_the_licence_says_whose_terms_others_are_under():
    text = (PROJECT / "LICENSE").read_text()
    assert text.startswith(f"{METADATA['license']} License")
    assert "openpifpaf" in text
    assert "AGPL-3.0" in text
