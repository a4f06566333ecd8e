"""What the released code compares, and how: visibility, BNNeck, unit length, and nothing in common."""

import json
import math

import numpy as np
import pytest
import torch

from reid.checkpoints.store import new_model
from reid.config.root import Matching, Model, ModelInUse, Visibility
from reid.data.samples import TestBatch, normalised
from reid.embeddings.extract import embed
from reid.embeddings.store import reading
from reid.evaluation import distance
from reid.evaluation.distance import largest_plus_one
from reid.evaluation.retrieval import retrieve
from reid.model.attention import visible_parts
from tests.embeddings import fabricate, write

QUERY, GALLERY = fabricate(1, 6), fabricate(2, 600)


@pytest.fixture
def batch():
    images = torch.randint(0, 256, (4, 3, 64, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TestBatch(images, torch.arange(4), torch.ones(4, dtype=torch.long), list("abcd"))


@pytest.fixture
def settings(config) -> ModelInUse:
    entry = config.model("resnet50_official").model_dump(mode="json")
    fields = {name: entry[name] for name in ModelInUse.model_fields} | {"size": [64, 32]}
    fields["backbone"] = {"name": "regnetx_002", "weights": None, "levels": [2, 3]}
    return ModelInUse.model_validate_json(json.dumps(fields))


@pytest.mark.filterwarnings("ignore")
def test_foreground_comes_from_behind_the_bnneck_and_parts_from_before(settings, batch):
    network = new_model(Model.of(settings), parts=3, identities=5).eval()
    torch.nn.init.normal_(network.necks["foreground"].norm.running_mean)
    split = embed(network, batch, settings, torch.device("cpu"))
    with torch.inference_mode():
        output = network(normalised(batch.images))
    assert split.features.shape == (4, 5, 512)
    np.testing.assert_allclose(split.features[:, 0], output.embeddings["global"], atol=1e-5)
    np.testing.assert_allclose(split.features[:, 1], output.necked["foreground"], atol=1e-5)
    np.testing.assert_allclose(split.features[:, 2:], output.embeddings["parts"], atol=1e-5)
    assert np.abs(split.features[:, 1] - output.embeddings["foreground"].numpy()).max() > 0.1
    assert split.visibility[:, :2].all()


def test_a_part_is_visible_where_it_wins_a_cell_however_weakly():
    cells = [[0.4, 0.35, 0.25], [0.3, 0.36, 0.34]]  # background, two parts; the first wins the second cell with 0.36
    attention = torch.tensor(cells).T.reshape(1, 3, 2, 1)
    assert visible_parts(attention, Visibility(rule="argmax", threshold=0.4)).tolist() == [[True, False]]
    assert visible_parts(attention, Visibility(rule="threshold", threshold=0.4)).tolist() == [[False, False]]


def by_hand(query, gallery, visible):
    """Mean Euclidean distance of the unit vectors of those embeddings [P, D] that both see."""
    distances = []
    for one, other, both in zip(query.tolist(), gallery.tolist(), visible, strict=True):
        if both:
            units = [[value / math.hypot(*vector) for value in vector] for vector in (one, other)]
            distances.append(math.dist(*units))
    return sum(distances) / len(distances) if distances else None


def distances_of(file, matching):
    """All distances, by retrieval of everything; a gallery image that no query may be compared with stays NaN."""
    found = retrieve(file, matching, keep=len(GALLERY.key))
    matrix = np.full((len(QUERY.key), len(GALLERY.key)), np.nan)
    for query, images in enumerate(found.nearest):
        matrix[query, images[images >= 0]] = found.nearest_distances[query, images >= 0]
    return matrix


@pytest.fixture
def file(tmp_path):
    with reading(write(tmp_path / "embeddings.h5", QUERY, GALLERY)) as opened:
        yield opened


def test_the_official_matching_compares_unit_vectors(file, config):
    found = distances_of(file, config.matchings["official"])
    for q in range(len(QUERY.key)):
        for g in np.flatnonzero(~np.isnan(found[q])):
            visible = QUERY.visibility[q, 1:] & GALLERY.visibility[g, 1:]
            expected = by_hand(QUERY.features[q, 1:], GALLERY.features[g, 1:], visible)
            assert found[q, g] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("width", [256, 999], ids=["three blocks", "one block"])
def test_pairs_with_nothing_in_common_are_one_beyond_the_largest(file, width, monkeypatch):
    monkeypatch.setattr(distance, "WIDTH", width)
    matching = Matching(embeddings=["parts"], visibility=True, normalise=True)
    finite = matching.model_copy(update={"nothing_in_common": "largest_plus_one"})
    seen = QUERY.visibility[:, None, 2:] & GALLERY.visibility[None, :, 2:]
    pairs = [
        by_hand(QUERY.features[q, 2:], GALLERY.features[g, 2:], seen[q, g])
        for q in range(len(QUERY.key)) for g in range(len(GALLERY.key))
    ]  # fmt: skip
    largest = max(pair for pair in pairs if pair is not None)
    expected, found = distances_of(file, matching), distances_of(file, finite)
    apart = np.isinf(expected)
    assert apart.any()
    np.testing.assert_allclose(found[apart], largest + 1, atol=1e-3)
    np.testing.assert_array_equal(found[~apart], expected[~apart])


def test_ranks_do_not_depend_on_it(file):
    matching = Matching(embeddings=["parts"], visibility=True)
    finite = matching.model_copy(update={"nothing_in_common": "largest_plus_one"})
    one, other = (retrieve(file, either, keep=600) for either in (matching, finite))
    np.testing.assert_array_equal(one.nearest, other.nearest)
    np.testing.assert_array_equal(one.measures.average_precision, other.measures.average_precision)
    assert one.apart == other.apart > 0


def test_free_places_stay_free():
    assert np.isnan(largest_plus_one(np.array([np.nan], np.float32), 1.0)).all()
    assert largest_plus_one(np.array([np.inf, 0.5], np.float32), 2.5).tolist() == [3.5, 0.5]
