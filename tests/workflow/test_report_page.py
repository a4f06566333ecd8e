"""The report of the real demo on a few people: one file that opens offline, with every figure and its caption."""

import json
import re
from base64 import b64decode

import pytest

from tests.browser import CHROMIUM, Page, browsing
from tests.workflow.conftest import real_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"),
]
FIGURES = (
    "synthetic/parsing/five.qc.png",
    *(f"synthetic/{model}/{name}" for model in ("small", "bot_small") for name in ("training.svg", "ranking.png")),
    "synthetic/small/attention.png",
    *(f"tables/demo.{kind}" for kind in ("cmc.svg", "parts.svg", "reliability.svg")),
)
DATA = ("synthetic/protocol.md", "tables/demo.csv", "synthetic/parsing/five.qc.json", "synthetic/parsing/five.qc.csv")
PAGES = ("tables/demo.html", "tables/demo.account.html")
# Shows a result as a click on its eye does; true once the image is decoded.
SHOW = """
new Promise(done => {{
    app.setView({{content: "img", contentPath: results[{path}].data_uri, resultPath: {path}}});
    setTimeout(async () => {{
        const image = document.querySelector(`img[src="${{results[{path}].data_uri}}"]`);
        await image.decode();
        done({{width: image.naturalWidth, top: image.getBoundingClientRect().top}});
    }}, 100);
}})
"""


@pytest.fixture(scope="module")
def page(tiny_demo):
    """The opened report."""
    result = real_run(tiny_demo, "--report", "report.html", "--report-stylesheet", "workflow/report/style.css")
    assert result.returncode == 0, result.stdout + result.stderr
    with browsing() as page:
        page.open(tiny_demo / "report.html")
        yield page


def test_it_holds_every_figure_with_its_caption(page: Page):
    results = page.evaluate("Object.fromEntries(Object.entries(results).map(([path, r]) => [path, r.caption]))")
    assert set(results) == {f"results/{path}" for path in (*FIGURES, *PAGES, *DATA)}
    for path, caption in results.items():
        assert len(caption) > 40, path
        assert "{{" not in caption


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_can_be_seen_from_its_top(page: Page, figure):
    shown = page.evaluate(SHOW.format(path=json.dumps(f"results/{figure}")))
    assert shown["width"] > 200
    assert shown["top"] >= 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_holds_its_tables(page: Page, name):
    uri = page.evaluate(f"results[{json.dumps(f'results/{name}')}].data_uri")
    text = b64decode(uri.partition("base64,")[2]).decode()
    assert len(re.findall("<tr>", text)) > 3
    assert not re.search(r"(src|href)=", text)


def test_it_opens_without_an_error_and_without_a_network(page: Page):
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name.slice(0, 5))")
    assert {name.partition(":")[0] for name in loaded} <= {"file", "data", "blob"}
    assert page.evaluate("document.querySelector('nav').innerText").startswith("Snakemake")
    assert not page.errors
