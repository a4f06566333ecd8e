"""Fields: the same for an image whichever batch, shard or process it is in."""

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artefacts.manifest import Source, shard_of
from parsing.config import Checkpoint, Scheme
from parsing.labels.label_maps import MaskMaker
from parsing.pifpaf import network as pifpaf
from parsing.pifpaf import workers
from parsing.pifpaf.extraction import FAINT, NOISE, ExtractionJob, FieldExtractor, relative, without_noise
from parsing.schemes import part_scheme
from parsing.store import FieldFile
from tests.labelling import FIVE, GRID, LABELS, SIZE, find, merge, noise_image, skeleton, stage, write_manifest
from tests.pifpaf import lively_network, write_checkpoint

IMAGES = 21


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Images in two folders, their manifest, and a network."""
    folder = tmp_path_factory.mktemp("fields")
    for number in range(IMAGES):
        path = folder / "images" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise_image(100 + number).save(path)
    write_manifest(folder / "images", folder / "manifest.csv")
    write_checkpoint(folder / "net.safetensors")
    assert find(folder, "all.h5") == 0
    merge(folder, "merged.h5", "all.h5")
    return folder


def test_the_fields_are_those_of_the_network(folder):
    file = FieldFile(folder / "all.h5")
    network, grid = lively_network(), (9, 5)
    assert (len(file), file.grid, file.stride, file.input_size) == (IMAGES, grid, 8, SIZE)
    assert file.checkpoint_sha256 == hashlib.sha256((folder / "net.safetensors").read_bytes()).hexdigest()
    for key in file.keys[:5]:
        pixels = torch.from_numpy(np.array(noise_image(100 + int(key[2:4])))).permute(2, 0, 1)[None]
        expected = without_noise(pifpaf.confidences(*pifpaf.fields(network, pixels)) * 255)[0].numpy()
        assert np.abs(file.confidences(key) - expected).max() < 3  # weights are kept in half precision
        assert file.size(key) == SIZE[::-1]
    contents = [(folder / "images" / key).read_bytes() for key in file.keys]
    assert file.digests() == [hashlib.sha256(content).hexdigest() for content in contents]
    spread = np.std([file.confidences(key) for key in file.keys], axis=0).mean()
    assert spread > 10  # else the comparisons below could not fail


def labels_of(folder: Path, merged: str, kind: str) -> bytes:
    config = {"scheme": FIVE, "scheme_name": "five", "labels": LABELS | {"kind": kind}}
    assert stage("labels", config=config, fields=folder / merged, labels=folder / "labels.h5") == 0
    return (folder / "labels.h5").read_bytes()


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_shards_leave_the_merged_bytes_and_the_labels_as_they_are(folder, shards):
    names = [f"{number}-of-{shards}" for number in range(shards)]
    assert [find(folder, f"{name}.h5", name) for name in names] == [0] * shards
    assert len(FieldFile(folder / f"{names[0]}.h5")) < IMAGES
    random.Random(shards).shuffle(names)
    (folder / str(shards)).mkdir()
    merged = f"{shards}/merged.h5"
    ours = merge(folder, merged, *(f"{name}.h5" for name in names))
    assert ours.read_bytes() == (folder / "merged.h5").read_bytes()
    for kind in ("plain", "gated"):
        assert labels_of(folder, merged, kind) == labels_of(folder, "merged.h5", kind)


def test_the_order_of_the_images_leaves_the_bytes_as_they_are(folder):
    header, *rows = (folder / "manifest.csv").read_text().splitlines()
    random.Random(0).shuffle(rows)
    other = shutil.copytree(folder, folder.with_name("shuffled"))
    (other / "manifest.csv").write_text("\n".join([header, *rows]))
    assert find(other, "all.h5") == 0
    assert (other / "all.h5").read_bytes() == (folder / "all.h5").read_bytes()
    assert merge(other, "merged.h5", "all.h5").read_bytes() == (folder / "merged.h5").read_bytes()


@pytest.mark.parametrize("size", [1, 3, 8])
def test_batch_size_moves_no_confidence_by_more_than_rounding(folder, size):
    assert find(folder, f"batch{size}.h5", batch_size=size) == 0
    ours, theirs = FieldFile(folder / f"batch{size}.h5"), FieldFile(folder / "all.h5")
    assert ours.keys == theirs.keys
    for key in ours.keys:
        assert ours.status(key) == theirs.status(key)
        difference = ours.confidences(key).astype(int) - theirs.confidences(key)
        assert np.abs(difference).max() <= 1


@pytest.mark.slow
def test_processes_leave_the_bytes_as_they_are(folder, monkeypatch):
    monkeypatch.setattr(workers, "LEAST", 1)
    assert find(folder, "two.h5", threads=2) == 0
    assert (folder / "two.h5").read_bytes() == (folder / "all.h5").read_bytes()


def test_merging_refuses_shards_that_do_not_make_the_manifest(folder, capsys):
    names = [f"{number}-of-2" for number in range(2)]
    assert [find(folder, f"{name}.h5", name) for name in names] == [0, 0]
    first, second = (folder / f"{name}.h5" for name in names)
    for shards, reason in (([first], "more are in no shard"), ([first, second, second], "is also in")):
        assert stage("merge", "--fields", *shards, manifest=folder / "manifest.csv", merged=folder / "bad.h5") == 1
        assert reason in capsys.readouterr().err
    (folder / "short.csv").write_text("\n".join((folder / "manifest.csv").read_text().splitlines()[:-1]) + "\n")
    assert stage("merge", "--fields", first, second, manifest=folder / "short.csv", merged=folder / "bad.h5") == 1
    assert "is not in" in capsys.readouterr().err
    assert not (folder / "bad.h5").exists()


@settings(max_examples=20, deadline=None)
@given(st.sets(st.text(min_size=1, max_size=9), min_size=1, max_size=9), st.integers(1, 9))
def test_every_image_has_one_shard_that_no_other_image_changes(keys, shards):
    places = {key: shard_of(key, shards) for key in keys}
    assert all(0 <= place < shards for place in places.values())


def test_the_shard_of_an_image_is_for_ever():
    """Another one would make all fields again."""
    assert shard_of("query/0001_c1s1_000001_01.jpg", 1000) == 347


@pytest.mark.parametrize("text", ["2-of-2", "0-of-0", "1of2", "a-of-b", "-1-of-2"])
def test_a_shard_that_is_none(text, capsys):
    with pytest.raises(SystemExit):
        stage("fields", config={}, shard=text, manifest="m", checkpoint="c", fields="f", known="k", state="s")
    assert "is no shard" in capsys.readouterr().err or text.startswith("-")


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["plain", "gated", "limbs"]), st.floats(0.252, 1))
def test_labels_do_not_miss_the_noise_that_is_not_kept(seed, kind, threshold):
    rng = np.random.default_rng(seed)
    coarse = (rng.random((1, 36, 5, 3)) ** 4 * 300).clip(0, 255).repeat(2, 2).repeat(2, 3)[:, :, :9, :5]
    full = torch.from_numpy((coarse + rng.normal(0, 3, coarse.shape)).clip(0, 255)).float()
    kept = without_noise(full).round().byte().numpy()[0]
    full = full.round().byte().numpy()[0]
    maker = MaskMaker(part_scheme(Scheme.model_validate_json(json.dumps(FIVE))), SIZE, 8, GRID, threshold, kind)
    whole, ours = (maker.confidences(maps, skeleton(0.5)) for maps in (full, kept))
    np.testing.assert_array_equal(maker.labels(ours), maker.labels(whole))
    lost = whole.astype(int) - ours
    assert ((lost >= 0) & (lost <= NOISE)).all()
    assert (whole[lost > 0] <= FAINT).all()


def test_noise_is_removed_without_a_jump():
    values = torch.linspace(0, 255, 20000, dtype=torch.float64)
    lonely = without_noise(values.view(-1, 1, 1, 1)).flatten()
    assert lonely[values <= NOISE].max() == 0
    torch.testing.assert_close(lonely[values >= FAINT], values[values >= FAINT])
    assert lonely.diff().min() >= 0
    assert lonely.diff().max() < 1.2 * values.diff().max()
    beside = without_noise(torch.stack([values, torch.full_like(values, 20)], -1).view(-1, 1, 1, 2))[..., 1].flatten()
    assert (beside[0], beside[-1]) == (20 - NOISE, 20)
    assert beside.diff().abs().max() < 0.2 * values.diff().max()


def test_skeletons_lie_where_the_decoder_put_them_less_the_padding():
    people = np.array([[[7 + 16, 31.0, 0.5]] * 16 + [[99.0, 99.0, 0.0]]])
    found = relative(people, (62, 32))  # padded by 1 above; 33 - 32 = 1 is put at the right
    np.testing.assert_allclose(found[0, 0], [23 / 32, 30 / 62, 0.5], atol=1e-5)
    assert (found[0, 16] == 0).all()


def test_the_order_of_a_batch_does_not_matter(folder):
    job = ExtractionJob(folder / "images", folder / "net.safetensors", Checkpoint(weights="", size=SIZE), 4)
    finder = FieldExtractor(job)
    sources = [
        Source(key, hashlib.sha256((folder / "images" / key).read_bytes()).hexdigest())
        for key in FieldFile(folder / "all.h5").keys[:4]
    ]
    forward = {row["key"]: row for row in finder(sources)}
    alone = {row["key"]: row for source in sources for row in finder([source])}
    for key, row in forward.items():
        np.testing.assert_array_equal(row["confidences"], alone[key]["confidences"])
        np.testing.assert_array_equal(row["skeletons"], alone[key]["skeletons"])
