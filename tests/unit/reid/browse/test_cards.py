"""What a card says of a gallery image, and that no name of a file is taken for markup."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from reid.browse import cards
from reid.browse.session import Query
from tests.packs import PARTS

OWN = ["foreground", *PARTS]


def ranked(session, embeddings=OWN, visibility="on") -> str:
    query = Query("query", 1)
    return cards.ranking(session, query, session.ranking(query, embeddings, visibility, 4), overlay=True)


def test_a_card_says_what_each_embedding_says(session):
    hits = session.ranking(Query("query", 1), OWN, "on", 4).hits
    _, *shown = ranked(session).split("<article")
    query, *shown = shown
    assert "query" in query
    for hit, card in zip(hits, shown, strict=True):
        assert f'href="image/gallery/{hit.image}"' in card
        for part in hit.parts:
            (row,) = re.findall(rf'<li class="(\w+)" data-part="{part.name}">.*?<i>(.*?)</i>', card)
            hidden = {(False, True): "query", (True, False): "image"}.get((part.in_query, part.in_image), "both")
            said = ("hidden", f"hidden in {hidden}") if part.distance is None else ("compared", f"{part.distance:.3f}")
            assert row == said


def test_probabilities_are_those_of_the_matching_that_was_calibrated(session):
    likely = re.findall(r'class="likely" title="(.*?)">(\d+)%', ranked(session))
    hits = session.ranking(Query("query", 1), OWN, "on", 4).hits
    assert likely == [
        ("within the threshold at a false match rate of 1e-2", f"{100 * hit.probability:.0f}") for hit in hits
    ]
    assert "%: probability of the same person at even odds, calibrated on people" in cards.heading(session)
    assert 'class="likely"' not in ranked(session, ["legs"])


def test_where_nothing_is_compared_no_probability_is_shown(session, pack):
    """Of a calibrated matching of parts alone: the query shows its head, image 3 its feet, the others both."""
    parts = pack.model_copy(update={"matching": pack.matching.model_copy(update={"embeddings": ["parts"]})})
    head, feet = (2 + PARTS.index(name) for name in ("head", "feet"))
    query, gallery = session.queries.features.visible, session.gallery.features.visible
    query[1, 2:], gallery[:, 2:] = False, False
    query[1, head] = gallery[:, head] = gallery[:, feet] = True
    gallery[3, head] = False
    searched = replace(session, model=SimpleNamespace(pack=parts))
    found = searched.ranking(Query("query", 1), PARTS, "on", 11)
    _, _, *shown = cards.ranking(searched, Query("query", 1), found, overlay=False).split("<article")
    alone = {hit.image: card for hit, card in zip(found.hits, shown, strict=True)}.pop(3)
    assert 'class="distance">nothing visible in both<' in alone
    assert "%" not in alone
    assert ['class="likely"' in card for card in shown] == [True] * 10 + [False]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("<b>", "&lt;b&gt;"), ('" onload="x', "&quot; onload=&quot;x"), ("a&lt;b", "a&amp;lt;b")],
)
def test_names_are_no_markup(session, name, shown):
    session.gallery.features.names[:] = [f"{session.gallery.root}/{name}{number}.png" for number in range(11)]
    page = ranked(session) + cards.choice(session.gallery, [0], None)
    assert f"{shown}0.png" in page
    assert f"{name}0.png" not in page
