"""k-reciprocal re-ranking, block by block, against dense matrices and Python sets."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from reid.config.report import Rerank
from reid.config.root import Matching
from reid.embeddings.store import Joined, reading
from reid.evaluation import distance, rerank
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import Compared, compared
from reid.evaluation.ranking import measures, protocol, ranked
from reid.evaluation.rerank import Reranked
from reid.evaluation.retrieval import report, retrieve
from reid.evaluation.tiles import Compute
from tests.embeddings import fabricate, write

QUERY, GALLERY = fabricate(1, 15, noise=2), fabricate(2, 280, noise=2)
PARTS = Matching(embeddings=["parts"], visibility=True)


def all_distances(file, matching):
    """Distances [N, N] of query and gallery images together; one beyond the largest for those apart, none to itself."""
    query, gallery = (compared(split, matching, file.names) for split in (file.query, file.gallery))
    weights = np.concatenate([query.weights, gallery.weights])
    both = Compared(Joined(file.query, file.gallery), query.columns, weights, query.unit_length)
    matrix = PartDistances(both, both).matrix().astype(np.float64)
    np.fill_diagonal(matrix, 0)
    matrix[np.isinf(matrix)] = np.float32(matrix[np.isfinite(matrix)].max()) + np.float32(1)
    return matrix


def by_sets(matrix, queries, k1, k2, weight):
    """Final distances [Q, G] of [44], with every encoding a row of length N."""
    scaled = matrix**2 / (matrix**2).max(axis=1, keepdims=True)
    order = np.argsort(matrix, axis=1, kind="stable")

    def reciprocal(image, k):
        return {other for other in order[image, : k + 1] if image in order[other, : k + 1]}

    encodings = np.zeros_like(matrix)
    for image in range(len(matrix)):
        own = reciprocal(image, k1)
        members = set(own)
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        chosen = sorted(members)
        encodings[image, chosen] = np.exp(-scaled[image, chosen])
        encodings[image] /= encodings[image].sum()
    encodings = np.stack([encodings[order[image, :k2]].mean(axis=0) for image in range(len(matrix))])
    smaller = np.array([np.minimum(one, encodings[queries:]).sum(axis=1) for one in encodings[:queries]])
    jaccard = 1 - smaller / (2 - smaller)
    return weight * scaled[:queries, queries:] + (1 - weight) * jaccard


@pytest.fixture
def file(tmp_path):
    with reading(write(tmp_path / "e.h5", QUERY, GALLERY)) as opened:
        yield opened


def streamed(file, matching, settings, chosen=None, threads=1):
    """The whole matrix from tiles, of which each is within its slack of what is measured pair by pair."""
    sides = (compared(split, matching, file.names) for split in (file.query, file.gallery))
    distances = Reranked(*sides, settings, chosen, Compute(threads))
    cells = np.indices((len(file.query) if chosen is None else len(chosen), len(file.gallery)))
    pairs = distances.pairs(*cells.reshape(2, -1)).reshape(cells.shape[1:])
    matrix = np.empty_like(pairs)

    def receive(tile):
        part = pairs[tile.rows, tile.first : tile.stop]
        assert (np.abs(tile.distances - part) <= tile.slack[:, None]).all()
        matrix[tile.rows, tile.first : tile.stop] = tile.distances.copy()
        np.testing.assert_array_equal(tile.measured(*np.indices(part.shape).reshape(2, -1)), part.ravel())

    distances.stream(receive, "comparing")
    return matrix


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (5, 1, 0.0), (7, 3, 1.0), (1, 2, 0.5)])
def test_it_is_the_formulas_on_dense_matrices(file, k1, k2, weight):
    """The settings of [44]; odd k1; no averaging; each of the two distances alone. Some pairs share no part."""
    settings = Rerank(k1=k1, k2=k2, original_weight=weight)
    expected = by_sets(all_distances(file, PARTS), len(QUERY.key), k1, k2, weight)
    np.testing.assert_allclose(streamed(file, PARTS, settings), expected, rtol=0, atol=2e-5)


def test_tiles_and_blocks_change_nothing(file, monkeypatch):
    settings = Rerank(k1=20, k2=6, original_weight=0.3)
    whole = streamed(file, PARTS, settings)
    monkeypatch.setattr(distance, "HEIGHT", 4)
    monkeypatch.setattr(distance, "WIDTH", 100)
    monkeypatch.setattr(rerank, "ROWS", 64)
    monkeypatch.setattr(rerank, "STEP", 50)
    np.testing.assert_allclose(streamed(file, PARTS, settings), whole, rtol=0, atol=2e-5)
    some = np.array([11, 4])
    np.testing.assert_allclose(streamed(file, PARTS, settings, some), whole[some], rtol=0, atol=2e-5)


def test_fewer_images_than_neighbours_and_images_that_show_nothing(tmp_path):
    visibility = GALLERY.visibility.copy()
    visibility[3:6, 2:] = False
    query, gallery = (cut(one, 8) for one in (QUERY, dataclasses.replace(GALLERY, visibility=visibility)))
    settings = Rerank(k1=20, k2=6, original_weight=0.3)
    with reading(write(tmp_path / "few.h5", query, gallery)) as file:
        expected = by_sets(all_distances(file, PARTS), 8, 20, 6, 0.3)
        np.testing.assert_allclose(streamed(file, PARTS, settings), expected, rtol=0, atol=2e-5)


def cut(split, count):
    return type(split)(*(getattr(split, field.name)[:count] for field in dataclasses.fields(split)))


def test_the_report_ranks_by_the_new_distances(file):
    settings = Rerank(k1=20, k2=6, original_weight=0.3)
    plain = Matching(embeddings=["foreground", "parts"], visibility=True)
    matching = plain.model_copy(update={"rerank": settings})
    pairs = protocol(QUERY.identity, GALLERY.identity, QUERY.camera, GALLERY.camera)
    matrix = by_sets(all_distances(file, matching), len(QUERY.key), 20, 6, 0.3)
    expected = measures(pairs.offsets, ranked(matrix.astype(np.float32), pairs).ranks).summary()
    got, before = report(file, matching), report(file, plain)
    assert got["measures"] == pytest.approx(expected, abs=2e-3)
    assert got["measures"]["mAP"] > before["measures"]["mAP"]
    assert got["counts"] == before["counts"]


def test_the_count_of_pairs_apart_stays_that_of_the_original_distances(file):
    matching = PARTS.model_copy(update={"rerank": Rerank(k1=20, k2=6, original_weight=0.3)})
    one, other = retrieve(file, PARTS, keep=3), retrieve(file, matching, keep=3)
    assert (one.apart, one.apart_positives) == (other.apart, other.apart_positives)
    assert one.apart_positives > 0
    assert np.isfinite(other.nearest_distances).all()


def test_more_images_are_averaged_than_known(config):
    with pytest.raises(ValidationError, match=r"k2 8: must be at most k1 \+ 1, 7"):
        Rerank(k1=6, k2=8, original_weight=0.3)
