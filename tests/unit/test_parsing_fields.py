"""Fields: the same for an image whichever batch, shard or process it is in."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parsing import pifpaf
from parsing.config import Checkpoint
from parsing.fields import Finder, Job, fold_batch_norm, relative
from parsing.sources import Source, shard_of
from parsing.store import FieldFile
from tests.labelling import SIZE, noise_image, stage, write_manifest
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
    return folder


def find(folder: Path, output: str, shard: str = "0-of-1", batch_size: int = 4, threads: int = 1) -> Path:
    config = {"root": str(folder / "images"), "pifpaf": {"weights": "", "size": SIZE}, "batch_size": batch_size}
    paths = {"manifest": folder / "manifest.csv", "checkpoint": folder / "net.safetensors", "fields": folder / output}
    assert stage("fields", config=config, shard=shard, threads=threads, **paths) == 0
    return folder / output


def merge(folder: Path, output: str, *shards: Path) -> Path:
    assert stage("merge", "--fields", *shards, manifest=folder / "manifest.csv", merged=folder / output) == 0
    return folder / output


def test_the_fields_are_those_of_the_network(folder):
    file = FieldFile(find(folder, "all.h5"))
    network, grid = lively_network(), (9, 5)
    assert (len(file), file.grid, file.stride, file.input_size) == (IMAGES, grid, 8, SIZE)
    assert file.checkpoint_sha256 == hashlib.sha256((folder / "net.safetensors").read_bytes()).hexdigest()
    for key in file.keys[:5]:
        pixels = torch.from_numpy(np.array(noise_image(100 + int(key[2:4])))).permute(2, 0, 1)[None]
        expected = pifpaf.confidences(*pifpaf.fields(network, pixels))[0].numpy() * 255
        assert np.abs(file.confidences(key) - expected).max() < 3  # weights are kept in half precision
        assert file.size(key) == SIZE[::-1]
        assert file.sha256(key) == hashlib.sha256((folder / "images" / key).read_bytes()).hexdigest()
    spread = np.std([file.confidences(key) for key in file.keys], axis=0).mean()
    assert spread > 10  # else the comparisons below could not fail


def test_shards_and_their_order_leave_the_merged_bytes_as_they_are(folder):
    whole = merge(folder, "merged1.h5", find(folder, "whole.h5")).read_bytes()
    thirds = [find(folder, f"{number}.h5", f"{number}-of-3") for number in range(3)]
    assert all(0 < len(FieldFile(third)) < IMAGES for third in thirds)
    assert merge(folder, "merged3.h5", thirds[2], thirds[0], thirds[1]).read_bytes() == whole


def test_batch_size_moves_no_confidence_by_more_than_rounding(folder):
    one, many = (FieldFile(find(folder, f"batch{size}.h5", batch_size=size)) for size in (1, 7))
    for key in one.keys:
        difference = one.confidences(key).astype(int) - many.confidences(key)
        assert np.abs(difference).max() <= 1


@pytest.mark.slow
def test_processes_leave_the_bytes_as_they_are(folder):
    assert find(folder, "one.h5").read_bytes() == find(folder, "two.h5", threads=2).read_bytes()


def test_merging_refuses_shards_that_do_not_make_the_manifest(folder, capsys):
    first, second = (find(folder, f"{number}-of-2.h5", f"{number}-of-2") for number in range(2))
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
        stage("fields", config={}, shard=text, manifest="m", checkpoint="c", fields="f")
    assert "is no shard" in capsys.readouterr().err or text.startswith("-")


def test_folded_networks_give_the_same():
    images = torch.from_numpy(np.stack([np.asarray(noise_image(seed)) for seed in range(3)])).permute(0, 3, 1, 2)
    expected = pifpaf.fields(lively_network(), images)
    folded = fold_batch_norm(lively_network())
    assert not [module for module in folded.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for ours, theirs in zip(pifpaf.fields(folded, images), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=1e-4)


def test_skeletons_lie_where_the_decoder_put_them_less_the_padding():
    people = np.array([[[7 + 16, 31.0, 0.5]] * 16 + [[99.0, 99.0, 0.0]]])
    found = relative(people, (62, 32))  # padded by 1 above; 33 - 32 = 1 is put at the right
    np.testing.assert_allclose(found[0, 0], [23 / 32, 30 / 62, 0.5], atol=1e-5)
    assert (found[0, 16] == 0).all()


def test_the_order_of_a_batch_does_not_matter(folder):
    job = Job(folder / "images", folder / "net.safetensors", Checkpoint(weights="", size=SIZE), 4)
    finder = Finder(job)
    sources = [
        Source(key, hashlib.sha256((folder / "images" / key).read_bytes()).hexdigest())
        for key in FieldFile(find(folder, "order.h5")).keys[:4]
    ]
    forward = {row["key"]: row for row in finder(sources)}
    alone = {row["key"]: row for source in sources for row in finder([source])}
    for key, row in forward.items():
        np.testing.assert_array_equal(row["confidences"], alone[key]["confidences"])
        np.testing.assert_array_equal(row["skeletons"], alone[key]["skeletons"])
