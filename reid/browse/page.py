"""The layout of the page; `Handlers` say what its controls do."""

from pathlib import Path

import gradio as gr

from reid.browse import cards
from reid.browse.handlers import FIRST_PAGE, SHOW, Handlers
from reid.browse.session import Session
from reid.embeddings.store import HOLISTIC
from reid.search.choice import compared_names

TOP = 48  # images of a ranking at most
CSS = Path(__file__).with_name("page.css")
CLICKED = """
element.addEventListener('click', event => {
    const button = event.target.closest('button[data-image]');
    if (button) trigger('click', {image: Number(button.dataset.image)});
});
"""
CHOICE = {"elem_id": "queries", "js_on_load": CLICKED, "apply_default_css": False}
# Of events, in turn: of changes the last counts; every click does, whose image gradio would forget while it waits.
QUIET = {"api_visibility": "private", "show_progress": "minimal", "concurrency_id": "page"}
CLICK, CHANGE = ({"trigger_mode": mode, **QUIET} for mode in ("multiple", "always_last"))


def theme() -> gr.Theme:
    """Colours, and fonts of the machine that shows the page: none is fetched."""
    return gr.themes.Base(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"], text_size="sm"
    )


def page(session: Session) -> gr.Blocks:
    """The page of a session; the first query is searched for when it is opened."""
    handlers = Handlers(session)
    title = f"reid browse: {session.model.pack.name}"
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as blocks:
        query = gr.State(handlers.first)
        gr.HTML(cards.heading(session))
        with gr.Row(equal_height=False):
            with gr.Column(scale=0, min_width=310):
                words, turn, choice = _chooser(session)
                dropped = gr.File(label="or drop an image here", height=104, elem_id="drop")
            with gr.Column(scale=1, min_width=640):
                with gr.Row(elem_id="controls"):
                    controls = _controls(session)
                results = gr.HTML(elem_id="results", js_on_load=CLICKED, apply_default_css=False)
        choice.click(handlers.chosen, None, query, **CLICK)
        results.click(handlers.hit, None, query, **CLICK)
        dropped.upload(handlers.dropped, dropped, query, **CLICK)
        words.change(handlers.filtered, words, turn, **CHANGE)
        gr.on([words.change, turn.change, query.change], handlers.choice, [words, turn, query], choice, **CHANGE)
        gr.on([blocks.load, query.change], handlers.ranking, [query, *controls], results, **CLICK)
        gr.on([one.change for one in controls], handlers.ranking, [query, *controls], results, **CHANGE)
    return blocks


def _chooser(session: Session) -> tuple[gr.Textbox, gr.Slider, gr.HTML]:
    """What a query is chosen with: part of a name, page, and thumbnails."""
    handlers = Handlers(session)
    words = gr.Textbox(label="Query", placeholder="part of an image's name", elem_id="name")
    choice = gr.HTML(handlers.choice("", FIRST_PAGE, handlers.first), **CHOICE)
    pages = handlers.pages("")
    turn = gr.Slider(1, max(pages, 2), FIRST_PAGE, step=1, label="Page", visible=pages > 1, elem_id="page")
    return words, turn, choice


def _controls(session: Session) -> list[gr.components.Component]:
    pack = session.model.pack
    own, rules, rule = compared_names(pack), list(session.visibilities), session.visibility
    names = list(dict.fromkeys([*HOLISTIC, *pack.parts, *own]))
    most = min(TOP, max(2, len(session.gallery)))
    return [
        gr.CheckboxGroup(
            names, value=own, label="Compared embeddings", show_select_all=True, elem_id="parts", scale=5, min_width=300
        ),
        gr.Radio(rules, value=rule, label="Visibility", elem_id="visibility", scale=3, min_width=190),
        gr.Radio(list(SHOW), value="attention", label="Show", elem_id="show", scale=2, min_width=190),
        gr.Slider(1, most, min(11, most), step=1, label="Top K", elem_id="top", scale=2, min_width=170),
    ]
