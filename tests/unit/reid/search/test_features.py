"""Features in memory are compared and searched as slow loops say."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from artefacts.errors import UserError
from reid.checkpoints.pack_format import Calibration
from reid.config.report import Rerank
from reid.embeddings.store import Split, reading, write_embeddings
from reid.evaluation.retrieval import retrieve
from reid.search.calibration import probabilities
from reid.search.features import joined
from tests.packs import PARTS
from tests.unit.reid.search.conftest import fabricated


def test_distances_are_equation_9(pack):
    query, gallery = fabricated(pack, 1, 4), fabricated(pack, 2, 7)
    expected = np.zeros((4, 7))
    for i in range(4):
        for j in range(7):
            both = [p for p in range(1, len(PARTS) + 2) if query.visible[i, p] and gallery.visible[j, p]]
            apart = [np.linalg.norm(query.embeddings[i, p] - gallery.embeddings[j, p]) for p in both]
            expected[i, j] = np.mean(apart) if apart else np.inf
    np.testing.assert_allclose(query.distances(gallery), expected, rtol=1e-4)


def test_one_part_alone(pack):
    query, gallery = fabricated(pack, 1, 4), fabricated(pack, 2, 7)
    legs = 2 + PARTS.index("legs")
    apart = np.linalg.norm(query.embeddings[:, None, legs] - gallery.embeddings[None, :, legs], axis=-1)
    both = query.visible[:, None, legs] & gallery.visible[None, :, legs]
    np.testing.assert_allclose(query.distances(gallery, "legs"), np.where(both, apart, np.inf), rtol=1e-4)
    with pytest.raises(UserError, match="'hat' is not one of the compared embeddings, foreground, head"):
        query.distances(gallery, "hat")


def test_search_is_the_sorted_distances(pack):
    query, gallery = fabricated(pack, 1, 4), fabricated(pack, 2, 30)
    gallery = joined([gallery, gallery[:5]])  # exact copies rank behind their originals
    found = query.search(gallery, top=12)
    distances = query.distances(gallery)
    order = np.argsort(np.c_[distances[:, :30], distances[:, :5]], axis=1, kind="stable")[:, :12]
    np.testing.assert_array_equal(found.images, order)
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, order, 1), rtol=1e-5)
    rows = list(found.rows())
    assert len(rows) == 48
    assert rows[13] == {"query": "1/1.jpg", "place": 2, "image": gallery.names[order[1, 1]],
                        "distance": float(found.distances[1, 1])}  # fmt: skip
    assert query.search(gallery[:3], top=10).images.shape == (4, 3)


def stored(seen, camera: int) -> Split:
    """The same features as a split of embeddings.h5, all of one person and camera."""
    ones = np.ones(len(seen), int)
    return Split(seen.names, seen.embeddings, seen.visible, seen.scores, ones, camera * ones, seen.attention)


def test_a_matching_that_reranks_does_so_in_search_as_in_the_evaluation(pack, tmp_path):
    matching = pack.matching.model_copy(update={"rerank": Rerank(k1=6, k2=3, original_weight=0.3)})
    told = pack.model_copy(update={"matching": matching})
    query, gallery = (replace(fabricated(pack, *of), pack=told) for of in ((1, 5), (2, 40)))
    splits = stored(query, 1), stored(gallery, 2)
    write_embeddings(tmp_path / "e.h5", query.embedding_names, *splits, (4, 2), {})
    with reading(tmp_path / "e.h5") as file:
        wanted = retrieve(file, matching, keep=9)
        plain = retrieve(file, pack.matching, keep=9)
    found = query.search(gallery, 9)
    np.testing.assert_array_equal(found.images, wanted.nearest)
    np.testing.assert_array_equal(found.distances, wanted.nearest_distances)
    assert (wanted.nearest != plain.nearest).any()
    with pytest.raises(UserError, match=r"re-ranks .* takes the whole gallery, not candidates of an index; leave out"):
        query.search(gallery, 9, np.tile(np.arange(20), (5, 1)))


def test_without_scipy_a_matching_that_reranks_names_the_extra(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    matching = pack.matching.model_copy(update={"rerank": Rerank(k1=6, k2=3, original_weight=0.3)})
    told = pack.model_copy(update={"matching": matching})
    query, gallery = (replace(fabricated(pack, *of), pack=told) for of in ((1, 5), (2, 40)))
    with pytest.raises(UserError, match=r"scipy: cannot be imported .*; install it: pip install '\.\[rerank\]'"):
        query.search(gallery, 9)


def test_flat_vectors_multiply_to_the_mean_cosine_of_what_both_show(pack):
    query, gallery = fabricated(pack, 1, 4), fabricated(pack, 2, 7)
    product = query.flat() @ gallery.flat().T
    for i in range(4):
        for j in range(7):
            shown = [query.visible[i, 1:], gallery.visible[j, 1:]]
            cosines = [
                query.embeddings[i, p] @ gallery.embeddings[j, p]
                / np.linalg.norm(query.embeddings[i, p]) / np.linalg.norm(gallery.embeddings[j, p])
                for p in 1 + np.flatnonzero(shown[0] & shown[1])
            ]  # fmt: skip
            assert product[i, j] == pytest.approx(sum(cosines) / np.sqrt(shown[0].sum() * shown[1].sum()), abs=1e-5)
    np.testing.assert_allclose(np.linalg.norm(query.flat(), axis=1), 1, atol=1e-5)


def test_a_track_is_the_mean_of_what_its_images_show(pack):
    seen, ids = fabricated(pack, 1, 9), ["b", "a", "b", "c", "a", "b", "c", "c", "b"]
    seen.visible[[1, 4], 4] = False  # no image of a track shows it
    tracks = seen.tracks(ids)
    assert tracks.names == ["b", "a", "c"]
    for row, name in enumerate(tracks.names):
        images = [number for number, one in enumerate(ids) if one == name]
        for embedding in range(len(PARTS) + 2):
            shown = [number for number in images if seen.visible[number, embedding]]
            used = shown or images
            total = sum(seen.scores[number, embedding] * seen.embeddings[number, embedding] for number in used)
            mean = total / sum(seen.scores[number, embedding] for number in used)
            np.testing.assert_allclose(tracks.embeddings[row, embedding], mean, rtol=1e-4, atol=1e-5)
            assert tracks.visible[row, embedding] == bool(shown)
            assert tracks.scores[row, embedding] == max(seen.scores[number, embedding] for number in used)
    np.testing.assert_allclose(seen.tracks(range(9)).embeddings, seen.embeddings, rtol=1e-5)
    assert seen[:0].tracks([]).embeddings.shape == seen[:0].embeddings.shape
    with pytest.raises(ValueError, match="2 ids for 9 images"):
        seen.tracks(["a", "b"])


def test_features_of_two_models_are_not_compared(pack):
    other = pack.model_copy(update={"provenance": {"another": 1}})
    with pytest.raises(UserError, match="embed both by one model"):
        fabricated(pack, 1, 2).distances(fabricated(other, 2, 2))


def test_calibrated_probabilities(pack):
    knots = {"dataset": "people", "thresholds": {}, "distances": [1.0, 2.0, 4.0], "probabilities": [0.9, 0.5, 0.1]}
    calibrated = pack.model_copy(update={"calibration": Calibration(**knots)})
    found = probabilities(calibrated.calibration, np.array([0.5, 1.5, 3.0, 9.0, np.inf]))
    np.testing.assert_allclose(found, [0.9, 0.7, 0.3, 0.1, np.nan])
    query = replace(fabricated(pack, 1, 2), pack=calibrated)
    rows = list(query.search(replace(fabricated(pack, 2, 3), pack=calibrated)).rows())
    assert all(0 <= row["probability"] <= 1 for row in rows)
