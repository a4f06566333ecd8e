"""What indexed search needs no FAISS for: chosen candidates, features that stay in their file, and what is refused."""

import sys

import numpy as np
import pytest

from artefacts.errors import UserError
from reid.__main__ import main
from reid.search.feature_file import digest_of, read_features
from reid.search.index import SHARE, Index, IndexedFile, vectors_of
from reid.search.indexed_gallery import IndexedGallery
from tests.unit.reid.search.conftest import fabricated, kept


class AllVectors:
    """An index that gives every image, the last one first."""

    def __init__(self, images: int) -> None:
        self.ntotal = images

    def search(self, queries, count):
        assert count == self.ntotal
        return None, np.tile(np.arange(count)[::-1], (len(queries), 1))


@pytest.fixture
def shards(pack, tmp_path):
    return [kept(tmp_path / f"{name}.npz", fabricated(pack, seed, 20)) for name, seed in (("a", 2), ("b", 3))]


def index_of(*paths) -> Index:
    files = [
        IndexedFile(path=str(path), digest=digest_of(path), images=len(read_features(path).features)) for path in paths
    ]
    return Index(AllVectors(sum(file.images for file in files)), read_features(paths[0]).features.pack, 0.3, files)


def test_only_candidates_are_ranked(pack):
    query, gallery = fabricated(pack, 1, 4), fabricated(pack, 2, 30)
    among = np.stack([np.random.default_rng(row).permutation(30)[:9] for row in range(4)])
    found, distances = query.search(gallery, 5, among), query.distances(gallery)
    for row in range(4):
        inside = np.sort(among[row])
        expected = inside[np.argsort(distances[row, inside], kind="stable")][:5]
        np.testing.assert_array_equal(found.images[row], expected)
        np.testing.assert_allclose(found.distances[row], distances[row, expected], rtol=1e-5)


def test_vectors_multiply_to_the_cosines_above_a_level_of_what_both_show(pack):
    query, gallery = fabricated(pack, 1, 4), fabricated(pack, 2, 9)
    product = vectors_of(query, -0.3 / SHARE) @ vectors_of(gallery, SHARE).T
    for i in range(4):
        above = []
        for j in range(9):
            both = np.flatnonzero(query.visibility[i] & gallery.visibility[j])
            pairs = [(query.features[i, p], gallery.features[j, p]) for p in both]
            cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
            above.append((sum(cosines) - 0.3 * len(both)) / gallery.visibility[j].sum() ** 0.5)
        np.testing.assert_allclose(product[i] / product[i, 0], np.array(above) / above[0], rtol=1e-3)
    assert vectors_of(query[:0], 1).shape == (0, 48 + 8)  # six of eight numbers, six visibilities, filled up to eight


def test_features_stay_in_their_file(shards):
    whole, mapped = (read_features(shards[0], mapped).features for mapped in (False, True))
    assert isinstance(mapped.embeddings, np.memmap)
    for name in ("embeddings", "visible", "scores", "attention"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(whole, name))
    assert mapped.names == whole.names


def test_a_packed_file_is_not_mapped(shards):
    with np.load(shards[0]) as file:
        np.savez_compressed(shards[0], **file)
    with pytest.raises(UserError, match=r"a.npz: is damaged, or no file of features \(embeddings is compressed\)"):
        read_features(shards[0], mapped=True)


def test_the_digest_is_of_the_content(shards, pack, tmp_path):
    first = digest_of(shards[0])
    assert digest_of(kept(shards[0], fabricated(pack, 2, 20))) == first
    changed = fabricated(pack, 2, 20)
    changed.embeddings[7, 3, 2] += 1
    assert digest_of(kept(shards[0], changed)) != first
    (tmp_path / "c.npz").write_text("no features")
    with pytest.raises(UserError, match=r"c.npz: is no file of features"):
        digest_of(tmp_path / "c.npz")


@pytest.mark.parametrize("indexed", [["ab"], ["ba"], ["a", "b"], ["b", "a"]])
def test_all_candidates_of_shards_give_the_exact_ranking(shards, indexed, pack, monkeypatch):
    monkeypatch.setattr("reid.search.index.needed", lambda *_: None)
    monkeypatch.setattr("reid.search.indexed_gallery.QUERIES", 3)
    named, (a, b) = {path.stem: path for path in shards}, (read_features(path).features for path in shards)
    query = fabricated(pack, 1, 7)
    indices = {shards[0].with_suffix(f".{name}"): index_of(*(named[one] for one in name)) for name in indexed}
    found, hits = IndexedGallery(dict(zip(shards, (a, b), strict=True)), indices).search(query, 6, 40)
    distances = np.concatenate([query.distances(a), query.distances(b)], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :6]
    names = np.array([*a.names, *b.names])
    np.testing.assert_array_equal(np.array(hits.gallery)[hits.images], names[order])
    assert found.names == hits.gallery
    np.testing.assert_allclose(hits.distances, np.take_along_axis(distances, order, 1), rtol=1e-5)


def test_an_index_and_its_features_belong_together(shards, pack):
    features = {path: read_features(path).features for path in shards}
    a, b = shards
    for gallery, indices, says in (
        (
            [a, b],
            [[a]],
            "b.npz: is in no --index; build one and name it too: reid index .*b.npz --output",
        ),
        ([a], [[a, b]], "0.faiss: was built of .*b.npz, which has changed since or is not in --gallery"),
        ([a, b], [[a, b], [b]], "1.faiss: has the images of .*b.npz, as .*0.faiss has; name one of them"),
    ):
        known = {a.with_name(f"{number}.faiss"): index_of(*paths) for number, paths in enumerate(indices)}
        with pytest.raises(UserError, match=says):
            IndexedGallery({path: features[path] for path in gallery}, known)
    stale = {a.with_name("0.faiss"): index_of(a)}
    kept(a, fabricated(pack, 5, 20))
    with pytest.raises(UserError, match=r"0.faiss: was built of .*a.npz, which has changed since"):
        IndexedGallery({a: read_features(a).features}, stale)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["index", "a.npz", "--output", "a.idx"], "a.idx: unknown ending; let the name end in .faiss"),
        (["index", "a.npz", "--output", "a.faiss"], r"install it: pip install '.[faiss]'"),
        (
            ["search", "q", "--gallery", "g", "--model", "m", "--candidates", "5"],
            "--candidates: are what --index",
        ),
        (
            ["search", "q", "--gallery", ".", "--model", "m", "--index", "i"],
            ".: holds images, but --index",
        ),
        (
            ["search", "q", "--gallery", "g", "--model", "m", "--index", "i", "--candidates", "5"],
            "--candidates: 5 are fewer than --top 10",
        ),
    ],
)
def test_what_is_refused_before_anything_is_read(words, says, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert main(words) == 1
    assert says in capsys.readouterr().err.splitlines()[-1]
