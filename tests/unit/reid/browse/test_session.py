"""The page's ranking is that of `reid search`, with what each part says, and what the dataset knows."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from artefacts.errors import UserError
from reid.browse.cards import heading
from reid.browse.session import MEASURED, Query
from reid.config.report import PartThresholds, Rerank
from reid.search.choice import VISIBILITY, chosen_pack
from tests.packs import PARTS

OWN = ["foreground", *PARTS]


@pytest.mark.parametrize(("embeddings", "visibility"), [(OWN, "on"), (["legs", "torso"], "soft"), (OWN, "off")])
def test_hits_are_those_of_the_search(session, pack, embeddings, visibility):
    found = session.ranking(Query("query", 1), embeddings, visibility, 5)
    other = chosen_pack(pack, embeddings, VISIBILITY[visibility])
    query, gallery = (replace(side.features, pack=other) for side in (session.queries, session.gallery))
    expected = query[[1]].search(gallery, 5)
    assert [hit.image for hit in found.hits] == expected.images[0].tolist()
    assert [hit.distance or np.inf for hit in found.hits] == expected.distances[0].tolist()
    assert found.compared == query.compared == [hit.name for hit in found.hits[0].parts]
    for hit in found.hits:
        said = [(part.distance, part.weight) for part in hit.parts if part.distance is not None]
        assert hit.distance == pytest.approx(sum(d * w for d, w in said) / sum(w for _, w in said), rel=1e-4)
        for part in hit.parts:
            assert (part.distance is not None) == (part.in_query and part.in_image)
    own = visibility == "on" and embeddings == OWN
    assert [hit.probability is not None for hit in found.hits] == [own] * 5


@pytest.mark.parametrize(("embeddings", "visibility"), [(OWN, "on"), (["legs"], "soft")])
def test_a_matching_that_reranks_is_compared_by_eq_9_alone(session, pack, embeddings, visibility):
    matching = pack.matching.model_copy(update={"rerank": Rerank(k1=4, k2=2, original_weight=0.3)})
    reranked = pack.model_copy(update={"matching": matching, "calibration": None})
    own = session.queries.features[[1]]
    distances = [replace(own, pack=one).search(session.gallery.features, 5).distances for one in (pack, reranked)]
    assert not np.allclose(*distances)
    other = replace(session, model=SimpleNamespace(pack=reranked))
    plain, found = (one.ranking(Query("query", 1), embeddings, visibility, 5) for one in (session, other))
    assert [replace(hit, probability=None) for hit in plain.hits] == found.hits
    said = "without the re-ranking that the model was measured with"
    assert [said in heading(one) for one in (session, other)] == [False, True]


def test_an_image_of_the_gallery_does_not_find_itself(session):
    found = session.ranking(Query("gallery", 4), OWN, "on", 10)
    assert sorted(hit.image for hit in found.hits) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]


def test_persons_are_told_by_identity_and_camera(session):
    hits = session.ranking(Query("query", 1), OWN, "off", 11).hits  # identity 1, camera 1
    assert {hit.image: hit.person for hit in hits if hit.person != "wrong"} == {
        1: "ignored",
        5: "ignored",
        9: "ignored",
    }
    hits = session.ranking(Query("query", 2), OWN, "off", 11).hits  # identity 2, camera 2
    session.gallery.cameras[6] = 1
    assert {hit.image for hit in hits if hit.person == "ignored"} == {2, 6, 10}
    hits = session.ranking(Query("query", 2), OWN, "off", 11).hits
    assert [hit.image for hit in hits if hit.person == "right"] == [6]
    assert {hit.person for hit in session.ranking(Query("query", 0), OWN, "off", 11).hits} == {""}  # a distractor
    unknown = replace(session, queries=replace(session.queries, identities=None))
    assert {hit.person for hit in unknown.ranking(Query("query", 1), OWN, "off", 11).hits} == {""}


def test_a_visibility_of_the_model_s_own_can_be_chosen(session, pack):
    assert (list(session.visibilities), session.visibility) == (["on", "off", "soft"], "on")
    rule = PartThresholds(values=dict.fromkeys(PARTS, 0.5))
    matching = pack.matching.model_copy(update={"visibility": rule})
    other = replace(session, model=SimpleNamespace(pack=pack.model_copy(update={"matching": matching})))
    assert (list(other.visibilities), other.visibility) == (["on", "off", "soft", MEASURED], MEASURED)
    assert other.ranking(Query("query", 1), OWN, MEASURED, 3).hits[0].probability is not None


def test_nothing_to_compare_is_said(session):
    with pytest.raises(UserError, match="choose at least one embedding"):
        session.ranking(Query("query", 1), [], "on", 3)
