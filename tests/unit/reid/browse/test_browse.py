"""The page of `reid browse` in a headless Chromium: searched, switched, and kept on this machine (make test-extras)."""

import base64
import io
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artefacts.manifest import read_manifest
from tests.browse import WATCHED, Server
from tests.browser import CHROMIUM
from tests.packs import PARTS, write

pytest.importorskip("gradio", reason="needs gradio: make test-extras, or pip install -r envs/extras/browse.txt")
api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -r envs/extras/browse.txt")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"),
]
ODD = "<b>{{1}}${2}&.jpg"  # a name that is no markup
DOORS = ("gradio_api/file=", "file=", "gradio_api/file/")
PAGES = (("", 1), ("", 3), ("/1", 1), ("none", 1))  # part of a name, page
WAIT = 120_000  # milliseconds


@pytest.fixture(scope="module")
def server(people, config, tmp_path_factory):
    """Twelve photos of rendered people, one with an odd name, searched by a model of random weights."""
    folder = tmp_path_factory.mktemp("browse")
    (folder / "photos").mkdir()
    rows = [*read_manifest(people.manifest, "query"), *read_manifest(people.manifest, "gallery")]
    for number, row in enumerate(rows[:12]):
        shutil.copy(people.root / row.key, folder / "photos" / (ODD if number == 11 else f"{number:02d}.jpg"))
    pack = write(folder / "pack", config)
    words = ("browse", str(pack), "--gallery", str(folder / "photos"), "--port", "0", "--device", "cpu")
    running = Server(folder, [sys.executable, "-c", WATCHED, *words])
    yield running
    assert running.stop() == 0
    assert not [*(folder / "tmp").glob("reid-browse-*")]
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def tab(server):
    """A tab of a browser, which remembers what it asked for and what its console said."""
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        yield page
        browser.close()


@pytest.fixture
def page(tab, server):
    """The page, just opened; whatever a test does with it, it must ask this machine alone and report no error."""
    tab.asked.clear()
    tab.errors.clear()
    tab.goto(f"http://127.0.0.1:{server.port}/")
    tab.wait_for_selector(".card.query", timeout=WAIT)
    yield tab
    own = (f"http://127.0.0.1:{server.port}/", "data:", "blob:")
    assert tab.asked
    assert not [url for url in tab.asked if not url.startswith(own)]
    assert not tab.errors
    assert "asked" not in server.log.read_text()


def ranking(page) -> list[str]:
    """Names of the gallery images, nearest first."""
    return page.eval_on_selector_all(".card:not(.query) .name", "all => all.map(one => one.textContent)")


def after(page, change, told: str) -> list[str]:
    """The ranking once `change` has been done and the JavaScript condition `told` holds."""
    change()
    page.wait_for_function(told, timeout=WAIT)
    return ranking(page)


def parts_are(names: list[str]) -> str:
    return (
        f"[...document.querySelectorAll('.card.query li')].map(one => one.dataset.part).join() == '{','.join(names)}'"
    )


def query_is(name: str) -> str:
    return f"document.querySelector('.card.query .name')?.textContent == '{name}'"


def switch(page, name: str) -> None:
    page.locator("#parts label", has_text=name).click()


def test_a_search_and_its_switches(page, server):
    print("gradio", version("gradio"), "Pillow", version("pillow"), "playwright", version("playwright"))
    first = ranking(page)
    assert len(first) == 11
    assert "00.jpg" not in first
    assert ODD in first
    assert page.locator(".card.query .name").text_content() == "00.jpg"
    for name in ("foreground", "head", "arms", "feet"):
        switch(page, name)
    legs = after(page, lambda: None, parts_are(["torso", "legs"]))
    assert sorted(legs) == sorted(first)
    assert legs != first
    off = after(
        page,
        lambda: page.locator("#visibility label", has_text="off").click(),
        "!document.querySelector('.card li.hidden')",
    )
    assert page.locator(".card:not(.query) li.compared").count() == 2 * 11
    assert sorted(off) == sorted(first)
    for name in ("torso", "legs"):
        switch(page, name)
    page.wait_for_selector(".message:has-text('choose at least one embedding')", timeout=WAIT)
    for name in ("foreground", *PARTS):
        switch(page, name)
    page.locator("#visibility label", has_text="on").first.click()
    assert (
        after(page, lambda: None, f"{parts_are(['foreground', *PARTS])} && document.querySelector('.card li.hidden')")
        == first
    )
    few = after(
        page,
        lambda: page.fill("#top input[type=number]", "3") or page.keyboard.press("Enter"),
        "document.querySelectorAll('.card').length == 4",
    )
    assert few == first[:3]


def test_soft_visibility_weighs_what_is_compared(page):
    """Parts that count little, but not nothing, where the rule of the model has them hidden."""
    said = ".card:not(.query) li.compared i"
    assert not any("×" in text for text in page.locator(said).all_text_contents())
    page.locator("#visibility label", has_text="soft").click()
    page.wait_for_selector(f"{said}:has-text('×')", timeout=WAIT)
    card = page.locator(".card:not(.query)").first
    apart = [[float(one) for one in text.split(" × ")] for text in card.locator("li.compared i").all_text_contents()]
    assert [len(one) for one in apart] == [1] + [2] * len(PARTS)  # the foreground weighs 1
    weights = [(one[1:] or [1])[0] for one in apart]
    mean = sum(one[0] * weight for one, weight in zip(apart, weights, strict=True)) / sum(weights)
    assert float(card.locator(".distance").text_content()) == pytest.approx(mean, abs=0.002)


def test_images_are_shown_without_attention(page, server):
    shown = ".card.query img.picture"
    before = page.get_attribute(shown, "src")
    after(
        page,
        lambda: page.locator("#show label", has_text="image").click(),
        f"document.querySelector('{shown}').getAttribute('src') != {json.dumps(before)}",
    )
    data = base64.b64decode(page.get_attribute(shown, "src").partition(",")[2])
    original = Image.open(server.photos / "00.jpg")
    plain = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize(original.size), float)
    marked = Image.open(io.BytesIO(base64.b64decode(before.partition(",")[2]))).convert("RGB").resize(original.size)
    off = [np.abs(one - np.asarray(original, float)).mean() for one in (plain, np.asarray(marked, float))]
    assert off[0] < off[1] / 2


def test_queries_are_chosen_by_hand(page, server):
    for number in (3, 1, 4):  # faster than they are answered
        page.locator("#queries button").nth(number).click()
    found = after(page, lambda: page.locator("#queries button").nth(5).click(), query_is("05.jpg"))
    assert len(found) == 11
    assert "05.jpg" not in found
    assert page.locator("#queries .chosen").get_attribute("title") == "05.jpg"
    page.locator(f".card:has(.name:text-is('{found[0]}')) button").click()
    page.wait_for_function(query_is(found[0]), timeout=WAIT)
    page.fill("#name textarea, #name input", "03")
    page.wait_for_function("document.querySelectorAll('#queries button').length == 1", timeout=WAIT)
    page.fill("#name textarea, #name input", "")
    page.wait_for_function("document.querySelectorAll('#queries button').length == 12", timeout=WAIT)


def test_queries_come_in_pages(session, monkeypatch):
    handlers = pytest.importorskip("reid.browse.handlers")
    monkeypatch.setattr(handlers, "THUMBNAILS", 4)
    turned = handlers.Handlers(replace(session, queries=session.gallery))
    shown = [re.findall(r'data-image="(\d+)"', turned.choice(words, page, turned.first)) for words, page in PAGES]
    assert shown == [["0", "1", "2", "3"], ["8", "9", "10"], ["1", "10"], []]
    assert turned.filtered("")["maximum"] == turned.pages("") == 3
    assert not turned.filtered("/1")["visible"]


def test_an_image_is_dropped(page, server, tmp_path):
    copied = tmp_path / "mine.png"
    Image.open(server.photos / "02.jpg").save(copied)
    page.set_input_files("#drop input[type=file]", copied)
    page.wait_for_function(query_is("mine.png"), timeout=WAIT)
    assert [*server.log.parent.glob("tmp/reid-browse-*/*")]  # until the server ends
    assert ranking(page)[0] == "02.jpg"
    assert page.locator(".card:not(.query) .distance").first.text_content() == "0.000"
    broken = tmp_path / "broken.png"
    broken.write_text("a letter")
    page.locator("#drop button[aria-label*='lear'], #drop button[aria-label*='emove']").first.click()
    page.set_input_files("#drop input[type=file]", broken)
    page.wait_for_selector(".message:has-text('broken.png: the query cannot be read')", timeout=WAIT)


def test_pictures_keep_their_aspect_and_lead_to_their_files(page, server):
    after(page, lambda: page.locator("#queries button").nth(0).click(), query_is("00.jpg"))
    shape = "one => [one.naturalWidth / one.naturalHeight, one.clientWidth / one.clientHeight]"
    for natural, shown in page.eval_on_selector_all("img.picture", f"all => all.map({shape})"):
        assert natural == pytest.approx(0.5, abs=0.01)
        assert shown == pytest.approx(0.5, abs=0.01)
    card = page.locator(".card:not(.query)").first
    link = card.locator("a").get_attribute("href")
    status, content = server.get(f"/{link}")
    assert (status, content) == (200, (server.photos / card.locator(".name").text_content()).read_bytes())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_no_other_file_is_served(server, tmp_path):
    outside = tmp_path / "outside.jpg"
    Image.new("RGB", (8, 16)).save(outside)
    up = "/".join([".."] * 12)
    here = server.photos / "00.jpg"
    for path in (
        *(f"/{door}{file}" for door in DOORS for file in (outside, here, "/etc/passwd")),
        f"/image/gallery/{up}{outside}", f"/image/{up}/0", f"/gradio_api/file={here.parent}/{up}{outside}",
        f"/image/gallery/..%2f..%2f..{str(outside).replace('/', '%2f')}", f"/static/{up}{outside}",
        f"/assets/{up}{outside}", f"/assets/..%2f{up.replace('/', '%2f')}{outside}",
        "/image/gallery/-1", "/image/gallery/12", "/image/train/0",
        "/gradio_api/file=http://example.org/a.png", "/gradio_api/proxy=http://example.org/a.png",
    ):  # fmt: skip
        status, content = server.get(path)
        assert status in (307, 400, 403, 404, 405, 422), path
        assert content not in (outside.read_bytes(), here.read_bytes())
        assert b"root:" not in content
    assert server.get("/image/gallery/7")[0] == 200
    names = sorted(path.name for path in server.photos.iterdir())
    (server.photos / names[7]).rename(tmp_path / "kept.jpg")
    os.symlink(outside, server.photos / names[7])
    assert server.get("/image/gallery/7")[0] == 404
    os.replace(tmp_path / "kept.jpg", server.photos / names[7])
    assert server.get("/image/gallery/7")[0] == 200
    assert server.get("/", Host="example.org")[0] == 400
    assert server.get("/", Origin="http://example.org")[0] == 403


def test_nothing_leaves_this_machine(page, server):
    """Nor does what other tests do with the page, which its fixture looks at."""
    asked = len(page.asked)
    page.set_input_files("#drop input[type=file]", server.photos / "03.jpg")
    after(page, lambda: None, query_is("03.jpg"))
    after(page, lambda: page.locator("#queries button").nth(4).click(), query_is("04.jpg"))
    assert len(page.asked) > asked + 2
    html = server.get("/")[1].decode()
    assert not re.findall(r"<(?:script|link|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//", html)
    (listening,) = re.findall(
        rf"^ *\d+: (\w+):{server.port:04X} 0+:0000 0A", Path("/proc/net/tcp").read_text(), re.MULTILINE
    )
    assert listening == "0100007F"  # 127.0.0.1
