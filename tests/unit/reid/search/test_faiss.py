"""Galleries searched by FAISS's candidates; needs faiss-cpu (make test-extras EXTRAS=faiss)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artefacts.command import run
from artefacts.errors import UserError
from artefacts.manifest import ImageRow, write_manifest
from reid.checkpoints.pack_format import Pack
from reid.search.feature_file import digest_of, read_features
from reid.search.features import Features
from reid.search.index import IndexedFile, built, merged, trained, with_images
from reid.search.index_file import read_index, write_index
from reid.search.indexed_gallery import IndexedGallery
from reid.search.stored import stored_features
from tests import embeddings
from tests.packs import PARTS
from tests.people import stage
from tests.unit.reid.search.conftest import fabricated, kept

faiss = pytest.importorskip("faiss", reason="needs faiss-cpu: make test-extras EXTRAS=faiss")
pytestmark = pytest.mark.slow
PEOPLE = 300


def crowd(pack: Pack, seed: int, images: int) -> Features:
    """Images of people who look as their first embeddings do; the same people for every seed."""
    looks = np.random.default_rng(0).normal(size=(PEOPLE, len(PARTS) + 2, 8))
    features, rng = fabricated(pack, seed, images), np.random.default_rng(seed)
    near = looks[rng.integers(PEOPLE, size=images)] + 0.5 * features.embeddings
    visible = features.scores > 0.2
    visible[:, :2] = True
    return replace(features, embeddings=near.astype(np.float32), visible=visible)


def indexed(paths, lists=None, codes="scalar"):
    features = {path: read_features(path, mapped=True).features for path in paths}
    files = [IndexedFile(path=str(path), digest=digest_of(path), images=len(of)) for path, of in features.items()]
    return features, built(list(features.values()), files, lists, codes)


@pytest.mark.parametrize("lists", [None, 40])
def test_with_all_candidates_the_ranking_is_exact(pack, tmp_path, lists):
    path = kept(tmp_path / "g.npz", crowd(pack, 2, 2000))
    features, index = indexed([path], lists)
    write_index(tmp_path / "g.faiss", index)
    again = read_index(tmp_path / "g.faiss", pack)
    assert type(again.vectors) is (faiss.IndexIVFScalarQuantizer if lists else faiss.IndexFlatIP)
    query = crowd(pack, 1, 20)
    _, hits = IndexedGallery(features, {path: again}).search(query, 15, 2000)
    exact = query.search(features[path], 15)
    np.testing.assert_array_equal(np.array(hits.gallery)[hits.images], np.array(exact.gallery)[exact.images])
    np.testing.assert_array_equal(hits.distances, exact.distances)


def test_candidates_hold_what_is_nearest(pack, tmp_path):
    paths = [kept(tmp_path / f"{seed}.npz", crowd(pack, seed, 3000)) for seed in (2, 3)]
    query = crowd(pack, 1, 100)
    features, one = indexed(paths, 100)
    shards = {path: indexed([path], 60)[1] for path in paths}
    distances = np.concatenate([query.distances(of) for of in features.values()], axis=1)
    names = np.array([name for of in features.values() for name in of.names])
    nearest = names[np.argsort(distances, axis=1, kind="stable")[:, :10]]
    for indices in ({paths[0]: one}, shards):
        recall = []
        for count in (10, 200):
            _, hits = IndexedGallery(features, indices).search(query, 10, count)
            found = np.array(hits.gallery)[hits.images]
            recall.append(np.mean([np.isin(a, b) for a, b in zip(nearest, found, strict=True)]))
        assert recall[0] < recall[1]
        assert recall[1] > 0.9
    same = indexed(paths, 100)[1]
    np.testing.assert_array_equal(faiss.serialize_index(same.vectors), faiss.serialize_index(one.vectors))


@pytest.mark.parametrize(("lists", "codes"), [(None, "scalar"), (40, "scalar"), (40, "product")])
def test_merged_shards_are_the_index_built_in_one_go(pack, tmp_path, lists, codes):
    paths = [kept(tmp_path / f"{seed}.npz", crowd(pack, seed, 900)) for seed in (2, 3, 4)]
    features, whole = indexed(paths, lists, codes)
    write_index(tmp_path / "trained.faiss", trained(list(features.values()), lists, codes))
    for path, file in zip(paths, whole.files, strict=True):
        empty = read_index(tmp_path / "trained.faiss", pack)
        write_index(path.with_suffix(".faiss"), with_images(empty, [features[path]], [file]))
    index = merged([read_index(path.with_suffix(".faiss")) for path in paths])
    for name, one in (("whole", whole), ("merged", index)):
        write_index(tmp_path / f"{name}.faiss", one)
    assert (tmp_path / "merged.faiss").read_bytes() == (tmp_path / "whole.faiss").read_bytes()
    query = crowd(pack, 1, 20)
    np.testing.assert_array_equal(index.candidates(query, 50), whole.candidates(query, 50))


def test_jobs_of_the_workflow_make_an_index_that_search_takes(pack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    query, gallery = embeddings.fabricate(1, 4), embeddings.fabricate(2, 31)
    told = pack.model_copy(update={"parts": embeddings.NAMES[2:], "channels": gallery.features.shape[-1]})
    embeddings.write(tmp_path / "e.h5", query, gallery)
    Path("config.json").write_text(told.model_dump_json())
    write_manifest(Path("m.csv"), [ImageRow(key, "gallery", 1, 1, 9, 9, sha256=key) for key in gallery.key])
    shards = [f"{number}-of-2" for number in range(2)]
    known = {"config": {"root": "."}, "manifest": "m.csv", "embeddings": "e.h5", "pack": "config.json"}
    for shard in shards:
        assert stage("gallery", shard=shard, features=f"{shard}.npz", **known) == 0
    words = ["index-train", "--config", '{"codes": "scalar"}', "--trained", "t.faiss", "--features"]
    assert run("reid", {"index-train": ""}, [*words, *(f"{shard}.npz" for shard in shards)]) == 0
    for shard in shards:
        assert stage("index-add", trained="t.faiss", features=f"{shard}.npz", index=f"{shard}.faiss") == 0
    words = ["index-merge", "--index", "g.faiss", "--shards", *(f"{shard}.faiss" for shard in shards)]
    assert run("reid", {"index-merge": ""}, words) == 0
    asked = stored_features(Path("e.h5"), told, Path(), "query")
    features = {Path(f"{shard}.npz"): read_features(Path(f"{shard}.npz"), mapped=True).features for shard in shards}
    index = read_index(Path("g.faiss"), told)
    assert [file.path for file in index.files] == list(map(str, features))
    _, hits = IndexedGallery(features, {Path("g.faiss"): index}).search(asked, 9, 31)
    exact = asked.search(stored_features(Path("e.h5"), told, Path(), "gallery"), 9)
    assert [hit["image"] for hit in hits.rows()] == [hit["image"] for hit in exact.rows()]


def test_a_wrong_file_is_one_line(pack, tmp_path):
    path = kept(tmp_path / "g.npz", crowd(pack, 2, 200))
    write_index(tmp_path / "g.faiss", indexed([path])[1])
    whole = (tmp_path / "g.faiss").read_bytes()
    wrong = tmp_path / "wrong.faiss"
    faiss.write_index(faiss.IndexFlatIP(4), str(wrong))
    foreign = wrong.read_bytes()
    place = whole.rindex(b'"format":2')
    for content, says in (
        (foreign, "is no index of reid index"),
        (b"", "is no index of reid index"),
        (whole[:-9], "is no index of reid index"),
        (whole[5000:], "is damaged; build it again: reid index .*g.npz --output GALLERY.faiss"),
        (b"x" + whole[1:], "is damaged; build it again"),
        (whole[:place] + b'"format":3' + whole[place + 10 :], "is no index of reid index of this version"),
    ):
        wrong.write_bytes(content)
        with pytest.raises(UserError, match=rf"wrong.faiss: {says}"):
            read_index(wrong, pack)
    with pytest.raises(UserError, match=r"none.faiss: no such file; build it: reid index FEATURES.npz"):
        read_index(tmp_path / "none.faiss", pack)
    other = pack.model_copy(update={"name": "people/other", "provenance": {"another": 1}})
    with pytest.raises(UserError, match=r"g.faiss: is of another model than people/other \(of people/small\)"):
        read_index(tmp_path / "g.faiss", other)


def test_what_faiss_cannot_read_is_one_line(pack, tmp_path, monkeypatch):
    path = kept(tmp_path / "g.npz", crowd(pack, 2, 200))
    index = indexed([path])[1]
    monkeypatch.setattr(faiss, "write_index", lambda _, name: Path(name).write_bytes(b"IxFI" + bytes(3)))
    write_index(tmp_path / "g.faiss", index)
    with pytest.raises(UserError, match=r"g.faiss: is damaged \(.*\); build it again"):
        read_index(tmp_path / "g.faiss", pack)
