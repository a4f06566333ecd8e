"""Eq. 9 against the formula written as a loop over pairs, embeddings and channels."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from artefacts.errors import UserError
from reid.config.root import Matching
from reid.embeddings.store import reading
from reid.evaluation import distance
from reid.evaluation.distance import PartDistances, part_to_part_distance
from reid.evaluation.matching import compared, compared_columns
from reid.evaluation.retrieval import retrieve
from reid.evaluation.tiles import Compute
from tests.embeddings import NAMES, fabricate, held, write

QUERY, GALLERY = fabricate(1, 9), fabricate(2, 700)
FEW, SOME = fabricate(3, 12), fabricate(4, 40)
for split in (FEW, SOME):
    split.score[:3, 2:4] = 0
BOTH = {"embeddings": ["foreground", "parts"], "visibility": True}


def by_the_formula(query, gallery, query_visible, gallery_visible):
    """Any pair: features [P, D], visibility scores [P]."""
    numerator = denominator = 0.0
    for f_q, f_g, v_q, v_g in zip(query, gallery, query_visible, gallery_visible, strict=True):
        numerator += v_q * v_g * math.dist(f_q.tolist(), f_g.tolist())
        denominator += v_q * v_g
    return numerator / denominator if denominator else math.inf


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.booleans()
)
def test_the_matrix_is_the_formula(seed, queries, images, parts, channels, soft):
    rng = np.random.default_rng(seed)
    query, gallery = rng.normal(size=(queries, parts, channels)), rng.normal(size=(images, parts, channels))
    query_seen, gallery_seen = (rng.random((count, parts)) < rng.random() for count in (queries, images))
    if soft:
        query_seen, gallery_seen = (seen * rng.random(seen.shape) for seen in (query_seen, gallery_seen))
    matrix = part_to_part_distance(query, gallery, query_seen, gallery_seen)
    for q in range(queries):
        for g in range(images):
            expected = by_the_formula(query[q], gallery[g], query_seen[q], gallery_seen[g])
            assert matrix[q, g] == pytest.approx(expected, rel=1e-12)


@pytest.fixture
def file(tmp_path):
    with reading(write(tmp_path / "embeddings.h5", QUERY, GALLERY)) as opened:
        yield opened


def streamed(file, embeddings, visibility=True, normalise=False, chosen=None, threads=1):
    """The whole matrix from tiles, of which each is within its slack of the same measured pair by pair; and how many
    distances are infinite."""
    matching = Matching(embeddings=embeddings, visibility=visibility, normalise=normalise)
    sides = [compared(split, matching, file.names) for split in (file.query, file.gallery)]
    distances = PartDistances(*sides, chosen, Compute(threads))
    cells = np.indices((distances.queries, distances.images))
    pairs = distances.pairs(*cells.reshape(2, -1)).reshape(cells.shape[1:])
    matrix, apart = np.empty_like(pairs), []

    def receive(tile):
        inside = tile.rows, slice(tile.first, tile.stop)
        matrix[inside] = tile.distances
        apart.append(tile.apart)
        finite = np.isfinite(pairs[inside])
        np.testing.assert_array_equal(np.isfinite(tile.distances), finite)
        off = np.abs(tile.distances[finite] - pairs[inside][finite])
        assert (off <= np.broadcast_to(tile.slack[:, None], finite.shape)[finite]).all()
        np.testing.assert_array_equal(tile.measured(*np.nonzero(finite)), pairs[inside][finite])
        assert tile.largest == pytest.approx(pairs[inside][finite].max(initial=0), rel=1e-5)

    distances.stream(receive, None)
    return matrix, sum(apart)


@pytest.mark.parametrize(("height", "width", "threads"), [(2, 100, 1), (4, 256, 3), (999, 999, 2)])
def test_the_stream_is_the_matrix(file, height, width, threads, monkeypatch):
    """For any division into tiles, on any number of threads."""
    monkeypatch.setattr(distance, "HEIGHT", height)
    monkeypatch.setattr(distance, "WIDTH", width)
    matrix, apart = streamed(file, ["parts"], threads=threads)
    seen = QUERY.visibility[:, 2:], GALLERY.visibility[:, 2:]
    expected = part_to_part_distance(QUERY.features[:, 2:], GALLERY.features[:, 2:], *seen)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)
    assert apart == np.isinf(expected).sum() > 0


def test_foreground_is_always_in_common(file):
    matrix, apart = streamed(file, ["foreground", "parts"])
    expected = part_to_part_distance(
        QUERY.features[:, 1:], GALLERY.features[:, 1:], QUERY.visibility[:, 1:], GALLERY.visibility[:, 1:]
    )
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)
    assert apart == 0


@pytest.mark.parametrize("side", ["query", "gallery"])
def test_a_part_that_one_side_never_shows_counts_nowhere(tmp_path, side):
    splits = {"query": QUERY, "gallery": GALLERY}
    visibility = splits[side].visibility.copy()
    visibility[:, 3] = False
    splits[side] = dataclasses.replace(splits[side], visibility=visibility)
    with reading(write(tmp_path / "unseen.h5", **splits)) as file:
        matrix, _ = streamed(file, ["foreground", "parts"])
        np.testing.assert_array_equal(matrix, streamed(file, ["foreground", "head", "legs"])[0])
        assert np.isinf(streamed(file, ["torso"])[0]).all()


def test_without_visibility_everything_counts(file):
    everything = [np.ones((len(split.key), 3), bool) for split in (QUERY, GALLERY)]
    expected = part_to_part_distance(QUERY.features[:, 2:], GALLERY.features[:, 2:], *everything)
    np.testing.assert_allclose(streamed(file, ["parts"], visibility=False)[0], expected, rtol=1e-5)


def weighed(matching, weights):
    """The matrix under a matching, and Eq. 9 of foreground and parts by a loop over pairs, at these scores."""
    file = held(FEW, SOME)
    distances = PartDistances(*(compared(split, matching, NAMES) for split in (file.query, file.gallery)))
    expected = [
        [by_the_formula(one[1:], other[1:], v, w) for other, w in zip(SOME.features, weights[1], strict=True)]
        for one, v in zip(FEW.features, weights[0], strict=True)
    ]
    pairs = distances.pairs(*np.indices((len(FEW.key), len(SOME.key))).reshape(2, -1))
    np.testing.assert_allclose(pairs.reshape(len(FEW.key), -1), expected, rtol=1e-5)
    return distances.matrix(), np.array(expected)


def test_soft_visibility_weighs_by_the_largest_attention():
    """v of a part is its largest attention, v_f = 1 (Section 3.2.2). Where a score is 0, the part is not compared."""
    weights = [np.c_[np.ones(len(split.key)), split.score[:, 2:]] for split in (FEW, SOME)]
    matrix, expected = weighed(Matching(embeddings=["foreground", "parts"], visibility="soft"), weights)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)
    assert all((one == 0).any() for one in weights)
    alike = [np.ones_like(one) for one in weights]
    plain, _ = weighed(Matching(embeddings=["foreground", "parts"], visibility=False), alike)
    assert np.abs(matrix / plain - 1).max() > 0.1


@pytest.mark.parametrize("how", [{"quantile": 0.3}, {"values": {"head": 0.3, "torso": 0.15, "legs": 1.0}}], ids=str)
def test_thresholds_of_single_parts(how):
    """Of a quantile, from the attention that training measured: head 0 to 1, torso 0 to 0.5, legs never in view."""
    known = {"head": np.linspace(0, 1, 101).tolist(), "torso": np.linspace(0, 0.5, 101).tolist(), "legs": None}
    matching = Matching(embeddings=["foreground", "parts"], visibility=how).with_thresholds(known)
    weights = [np.c_[np.ones(len(split.key)), split.score[:, 2:] > [0.3, 0.15, 1.0]] for split in (FEW, SOME)]
    assert 0 < weights[1][:, 1].mean() < weights[1][:, 2].mean() < 1
    assert not weights[1][:, 3].any()
    matrix, expected = weighed(matching, weights)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)


def test_a_quantile_lies_between_those_that_are_known():
    known = {"head": np.linspace(0, 1, 101).tolist()}
    for share in (0.0, 0.123, 0.995, 1.0):
        matching = Matching(embeddings=["head"], visibility={"quantile": share}).with_thresholds(known)
        assert matching.visibility.values["head"] == pytest.approx(share)


def test_thresholds_that_are_missing_are_asked_for():
    with pytest.raises(ValidationError, match="give `quantile`, or `values` by part"):
        Matching(embeddings=["parts"], visibility={})
    with pytest.raises(UserError, match=r"visibility.values has no threshold for 'torso'; give one for each part"):
        retrieve(held(FEW, SOME), Matching(embeddings=["parts"], visibility={"values": {"head": 0.3}}))
    with pytest.raises(
        UserError, match=r"these images: has no attention of labelled .*quantile; train the model again"
    ):
        retrieve(held(FEW, SOME), Matching(embeddings=["parts"], visibility={"quantile": 0.05}))


def test_concatenated_is_the_parts_side_by_side_and_always_visible(file):
    flat = [split.features[:, 2:].reshape(len(split.key), -1) for split in (QUERY, GALLERY)]
    expected = np.linalg.norm(flat[0][:, None] - flat[1][None], axis=2)
    np.testing.assert_allclose(streamed(file, ["concatenated"])[0], expected, rtol=1e-5)


def test_normalised_embeddings_lie_on_the_unit_sphere(file):
    features = [
        split.features[:, 0] / np.linalg.norm(split.features[:, 0], axis=1)[:, None] for split in (QUERY, GALLERY)
    ]
    expected = np.sqrt(np.maximum(2 - 2 * features[0] @ features[1].T, 0))
    np.testing.assert_allclose(streamed(file, ["global"], normalise=True)[0], expected, atol=1e-5)


def test_chosen_queries_are_their_rows_of_the_matrix(file):
    chosen = np.array([7, 2])
    np.testing.assert_allclose(
        streamed(file, ["foreground", "parts"], chosen=chosen)[0],
        streamed(file, ["foreground", "parts"])[0][chosen],
        rtol=1e-5,
    )


def test_an_image_is_at_distance_zero_from_itself(tmp_path):
    with reading(write(tmp_path / "same.h5", QUERY, QUERY)) as file:
        matrix, _ = streamed(file, ["foreground", "parts"])
        sides = [compared(split, Matching(**BOTH), file.names) for split in (file.query, file.gallery)]
        assert not PartDistances(*sides).pairs(np.arange(9), np.arange(9)).any()
    assert (np.diag(matrix) < np.where(np.eye(9), np.inf, matrix).min(axis=1)).all()


@pytest.mark.parametrize("visible", [True, False])
def test_only_visible_features_must_be_finite(tmp_path, visible):
    features, visibility = GALLERY.features.copy(), GALLERY.visibility.copy()
    features[5, 3], visibility[5, 3] = np.nan, visible
    broken = dataclasses.replace(GALLERY, features=features, visibility=visibility)
    with reading(write(tmp_path / "nan.h5", QUERY, broken)) as file:
        if visible:
            with pytest.raises(UserError, match=r"embedding 'torso' of 2/00005\.jpg is not finite"):
                streamed(file, ["parts"])
        else:
            assert not np.isnan(streamed(file, ["parts"])[0]).any()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [(["parts", "hat"], "no embedding 'hat'; it has global"), (["parts", "head"], "asked for twice"), ([], "is empty")],
)
def test_a_matching_names_embeddings_of_the_model_once(wanted, message):
    with pytest.raises(UserError, match=message):
        compared_columns(wanted, NAMES)
