"""What is computed does not depend on where: on any number of threads, by NumPy or by torch, here or on a GPU."""

import dataclasses
import threading
from functools import partial

import numpy as np
import pytest
import torch

from artefacts.errors import UserError
from reid.config.report import Rerank, SingleShot
from reid.config.root import Matching
from reid.embeddings.store import Split
from reid.evaluation import distance, products
from reid.evaluation.device import Dense, OnDevice, tile_distances
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import compared
from reid.evaluation.retrieval import retrieve
from reid.evaluation.tiles import Compute, stream
from tests.embeddings import NAMES, fabricate, held
from tests.fake_cuda import CUDA, fake_cuda


def scored(split: Split) -> Split:
    """The split with a score of zero where it is not visible, so that soft visibility leaves images apart, too."""
    return dataclasses.replace(split, score=split.score * split.visibility)


QUERY, GALLERY = (scored(fabricate(seed, count, noise=3, dimension=64)) for seed, count in ((1, 30), (2, 300)))
PARTS = Matching(embeddings=["parts"], visibility=True)
RULES = {
    "Eq. 9": PARTS,
    "soft": PARTS.model_copy(update={"visibility": "soft"}),
    "unit length": PARTS.model_copy(update={"normalise": True}),
    "soft, unit length": PARTS.model_copy(update={"visibility": "soft", "normalise": True}),
}
MATCHINGS = RULES | {
    "re-ranked": PARTS.model_copy(update={"rerank": Rerank(k1=20, k2=6, original_weight=0.3)}),
    "single shot": PARTS.model_copy(update={"single_shot": SingleShot(repetitions=5, seed=1)}),
}


@pytest.fixture(autouse=True)
def several_tiles(monkeypatch):
    monkeypatch.setattr(distance, "HEIGHT", 16)
    monkeypatch.setattr(distance, "WIDTH", 64)


@pytest.mark.parametrize("matching", MATCHINGS.values(), ids=MATCHINGS)
def test_every_number_of_threads_gives_the_same_to_the_last_bit(matching):
    file = held(QUERY, GALLERY)
    alone, *others = (retrieve(file, matching, 7, verify=True, compute=Compute(threads)) for threads in (1, 2, 5))
    for found in others:
        for name in ("precisions", "nearest", "nearest_distances", "correct"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
        assert found.roc.summary() == alone.roc.summary()
        assert found.apart == alone.apart > 0
        if found.single_shot:
            np.testing.assert_array_equal(found.single_shot.ranks, alone.single_shot.ranks)


@pytest.mark.parametrize("threads", [1, 3])
def test_every_tile_of_every_block_is_worked_on_once(threads):
    done, everyone = [], set()

    def work(tile, block):
        done.append((block, tile))
        everyone.add(threading.get_ident())

    stream(iter("abcd"), 5, work, threads)
    assert sorted(done) == [(block, tile) for block in "abcd" for tile in range(5)]
    assert (len(everyone) == 1) == (threads == 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_thread_ends_the_search_with_its_line(threads):
    features = GALLERY.features.copy()
    features[250, 2:] = np.nan
    broken = dataclasses.replace(GALLERY, features=features)
    with pytest.raises(UserError, match=r"2/00250\.jpg is not finite"):
        retrieve(held(QUERY, broken), Matching(embeddings=["parts"], visibility=False), compute=Compute(threads))

    def work(tile, block):
        if (block, tile) == (1, 2):
            raise ValueError("third tile")
        assert block < 4, "goes on after an error"

    with pytest.raises(ValueError, match="third tile"):
        stream(range(99), 3, work, threads)


def by_torch(monkeypatch):
    """The path of a GPU, on the CPU of torch."""
    monkeypatch.setattr(products, "OnProcessor", partial(OnDevice, "cpu"))


@pytest.mark.parametrize("matching", RULES.values(), ids=RULES)
def test_torch_computes_what_numpy_does(matching, monkeypatch):
    """Also where nothing is visible in both, features are not finite where invisible, and copies are of the query."""
    features, visible = GALLERY.features.copy(), GALLERY.visibility.copy()
    features[5:8], visible[5:8] = QUERY.features[:3], True
    features[9, 3], visible[9, 3] = np.nan, False
    changed = dataclasses.replace(GALLERY, features=features, visibility=visible)
    file = held(QUERY, scored(changed))
    sides = [compared(split, matching, NAMES) for split in (file.query, file.gallery)]
    expected, known = PartDistances(*sides).matrix(), retrieve(file, matching, keep=9)
    by_torch(monkeypatch)
    distances, tiles = PartDistances(*sides), []
    assert np.isinf(expected).any()
    usual = np.median(expected[np.isfinite(expected)])
    np.testing.assert_allclose(distances.matrix(), expected, rtol=1e-5, atol=5e-4 * usual)
    near = expected < 0.1 * usual
    assert near.any()
    np.testing.assert_allclose(distances.matrix()[~near], expected[~near], rtol=1e-5)
    distances.stream(lambda tile: tiles.append((tile.apart, tile.largest)), None)
    assert sum(apart for apart, _ in tiles) == np.isinf(expected).sum()
    assert max(largest for _, largest in tiles) == pytest.approx(expected[np.isfinite(expected)].max(), rel=1e-5)
    found = retrieve(file, matching, keep=9)
    np.testing.assert_array_equal(found.precisions, known.precisions)
    np.testing.assert_array_equal(found.nearest, known.nearest)
    np.testing.assert_array_equal(found.nearest_distances, known.nearest_distances)


def test_a_gpu_keeps_all_of_it():
    """On fake tensors: no tensor of another device, no shape that depends on what is visible."""
    with fake_cuda():
        rows, columns = (
            [Dense(torch.ones(n, 64, device=CUDA), torch.ones(n, device=CUDA), torch.ones(n, device=CUDA))] * 4
            for n in (8, 37)
        )
        distances, slack = tile_distances(rows, columns)
        assert (distances.device, slack.device) == (CUDA, CUDA)
        assert (distances.shape, slack.shape) == ((8, 37), (8,))
        assert {distances.dtype, slack.dtype} == {torch.float32}
        with pytest.raises(RuntimeError, match="device"):
            tile_distances(rows, [Dense(*(torch.ones_like(one, device="cpu") for one in side)) for side in columns])


@pytest.mark.parametrize("matching", RULES.values(), ids=RULES)
def test_a_gpu_is_awaited_for_what_it_is_given_and_for_finished_tiles_alone(matching):
    """On fake tensors, through what evaluation calls."""
    sides = [compared(split, matching, NAMES) for split in (held(QUERY, GALLERY).query, held(QUERY, GALLERY).gallery)]
    rows, columns = (list(side.sides(np.arange(count))) for side, count in zip(sides, (16, 64), strict=True))
    with fake_cuda() as waits:
        computing = products.products("cuda")([rows, rows], [sides[0].weights[:16]] * 2)
        block = computing.ready(columns, sides[1].weights[:64])
        assert waits.number == 3 * 3 * len(rows)  # features, squares and weights of two tiles and a block
        assert {(values.device, len(values)) for dense in block for values in dense} == {(CUDA, 64)}
        for number in range(2):
            distances, slack, apart, _ = computing.tile(number, block)
            assert (distances.shape, slack.shape, apart) == ((16, 64), (16,), 0)
            assert waits.number == 9 * len(rows) + 2 * (number + 1)
