"""The README and docs/ say what is so: their picture of the workflow, their files, their commands, their links."""

import re
import shlex

import pytest

from tests.workflow.conftest import PROJECT, write

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXTS = {str(page.relative_to(PROJECT)): page.read_text(encoding="utf-8") for page in PAGES}
COMMANDS = sorted(
    {
        " ".join(line.partition(" #")[0].split())
        for text in TEXTS.values()
        for block in re.findall(r"^```(?:sh|bash)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("snakemake ") and "…" not in line
    }
)
LINKS = [(page, link) for page, text in TEXTS.items() for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text)]


def arrows(mermaid: str) -> set[tuple[str, str]]:
    """Pairs of rules, the second of which reads the first one's output; Snakemake numbers them anew each time."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", mermaid))
    return {(names[start], names[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", mermaid)}


def test_the_picture_is_the_workflow_s(workflow):
    drawn = workflow.snakemake("--rulegraph", "mermaid-js").stdout
    (shown,) = re.findall(r"^```mermaid\n(.*?)^```$", TEXTS["docs/workflow.md"], re.MULTILINE | re.DOTALL)
    assert arrows(drawn), drawn
    assert arrows(shown) == arrows(drawn), "make dag"


def test_every_make_target_that_it_names_exists():
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_it_is_short():
    assert README.count("\n") <= 180


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_to_files(page, link):
    assert link.startswith("https://") or (PROJECT / page).parent.joinpath(link).resolve().exists()


def test_every_page_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", README))
    assert linked == {page for page in TEXTS if page.startswith("docs/")}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_snakemake_command_plans_its_jobs(workflow, command):
    """Datasets are empty folders and given weights empty files here: a dry run looks at no image."""
    shop = re.search(r"^  shop:.*?(?=^```)", README, re.MULTILINE | re.DOTALL)[0]
    workflow.configure("  market1501:\n", f"{shop}  market1501:\n")
    for root in set(re.findall(r"root: (data/[\w/-]+)", (workflow.folder / "config.yaml").read_text())):
        (workflow.folder / root).mkdir(parents=True, exist_ok=True)
    for file in ("data/pifpaf/shufflenetv2k16.pkl", "data/backbones/resnet50_ibn_a.pth"):
        write(workflow.folder / file, "weights")
    words = shlex.split(command)[1:]
    result = workflow.snakemake("--dry-run", *words)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("picture", re.findall(r"!\[.*?\]\((.+?)\)", README))
def test_its_pictures_are_there(picture):
    assert (PROJECT / picture).is_file()


def test_nothing_is_left_to_fill_in():
    assert not [page for page, text in TEXTS.items() if re.search(r"@@|TODO|TBD|XXX", text)]


def test_parts_are_numbered_in_the_order_of_the_configuration(workflow):
    shell = workflow.snakemake("--dry-run", "--printshellcmds", "results/synthetic/parsing/eight.h5").stdout
    parts = re.search(r'"parts": ?(\{.*?\})', shell).group(1)
    assert re.findall(r'"(\w+)":', parts) == [
        "head", "left_arm", "right_arm", "torso", "left_leg", "right_leg", "left_foot", "right_foot"
    ]  # fmt: skip
