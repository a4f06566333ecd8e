"""What int8 costs is measured as the workflow measures, and a file that costs too much is not written."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from artefacts.manifest import read_manifest
from reid.__main__ import main
from reid.evaluation.ranking import measures, protocol, ranked
from reid.export import int8
from reid.export.graph import Graph
from reid.search.extractor import load
from tests.packs import write


@pytest.fixture
def model(tmp_path, config):
    return load(write(tmp_path / "pack", config), "cpu")


@pytest.fixture
def known(people):
    return int8.Labelled.of(people.manifest, people.root)


@pytest.mark.parametrize("visibility", [True, "soft"])
def test_map_is_that_of_what_embed_gives(model, known, people, visibility):
    matching = model.pack.matching.model_copy(update={"visibility": visibility})
    model.pack = model.pack.model_copy(update={"matching": matching})
    sides = [read_manifest(people.manifest, split) for split in ("query", "gallery")]
    query, gallery = (model.embed([people.root / row.key for row in rows]) for rows in sides)
    pairs = protocol(*(np.array([getattr(row, name) for row in rows]) for name in int8.COUNTED for rows in sides))
    ranks = ranked(query.distances(gallery).astype(np.float32), pairs).ranks
    graph = Graph(model.network, model.pack, "images")
    run = torch.inference_mode()(lambda images: [value.numpy() for value in graph(images)])
    wanted = 100 * measures(pairs.offsets, ranks).summary()["mAP"]
    assert int8.mean_precision(run, model.pack, known) == pytest.approx(wanted, abs=0.01)


def test_calibration_images_are_those_of_training(known, monkeypatch):
    monkeypatch.setattr(int8, "CALIBRATION_IMAGES", 3)
    last = len(known.train) - 1
    assert known.calibrating == [known.train[0], known.train[round(last / 2)], known.train[last]]
    assert known._replace(train=[]).calibrating[0] == known.gallery[0]
    pixels = torch.cat(list(int8.batches(known.root, known.calibrating, (64, 32))))
    assert pixels.shape == (3, 3, 64, 32)
    assert pixels.dtype == torch.uint8


@pytest.mark.parametrize(("after", "written"), [(60.5, True), (59.5, False), (float("nan"), False)])
def test_nothing_is_written_if_too_much_map_is_lost(model, known, tmp_path, monkeypatch, after, written):
    precisions, path = iter([61.0, after]), tmp_path / "small.onnx"
    monkeypatch.setattr(int8, "onnx_file", SimpleNamespace(
        converted=lambda _: "float32", runner=lambda made: made, write=lambda path, made, _: path.write_text(made)
    ))  # fmt: skip
    monkeypatch.setattr(int8, "must_agree", lambda graph, run, path: None)
    monkeypatch.setattr(int8, "quantised", lambda made, images: "int8")
    monkeypatch.setattr(int8, "mean_precision", lambda run, pack, known: next(precisions))
    if written:
        assert int8.write_int8(path, model.network, model.pack, known, 1.0) == (61.0, after)
        assert path.read_text() == "int8"
    else:
        with pytest.raises(int8.UserError, match=r"small.onnx: not written, mAP falls from 61.0 .* by more than 1;"):
            int8.write_int8(path, model.network, model.pack, known, 1.0)
        assert not path.exists()


def test_map_is_measured_for_int8_alone(tmp_path, capsys):
    assert main(["export", "pack", "--output", str(tmp_path / "m.onnx"), "--max-map-loss", "2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: --max-map-loss: is for --int8, which measures mAP; give --int8 DATASET, or leave it out"


@pytest.mark.parametrize("line", ["--output m.pt2 --int8 synthetic", "--output m.onnx --int8 synthetic --for tensors"])
def test_only_onnx_of_images_has_int8(line, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "pack", *line.split()]) != 0
    assert "--int8: is for ONNX files that take images" in capsys.readouterr().err
