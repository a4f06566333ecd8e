"""Exported files compute what torch does, in their own runtimes; needs the extra `export`."""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reid.__main__ import main
from reid.checkpoints.pack import pack_of
from reid.checkpoints.pack_format import Pack
from reid.embeddings.inference import folded
from reid.export.files import write_exported
from reid.export.graph import Graph
from reid.search.extractor import load
from tests.configuration import copy_configuration
from tests.packs import trained, write
from tests.pages import blocks_of, run_reid

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export: pip install '.[export]'")
openvino = pytest.importorskip("openvino", reason="needs the extra export: pip install '.[export]'")
pytest.importorskip("onnxscript", reason="needs the extra export: pip install '.[export]'")
pytestmark = pytest.mark.slow

NETWORKS = {
    "resnet50": {"name": "resnet50", "levels": (4,), "last_stride": 1},
    "resnet50_ibn": {"name": "resnet50", "levels": (4,), "last_stride": 1, "ibn": "a"},
    "hrnet": {"name": "hrnet_w18_small", "levels": (1, 2, 3, 4)},
    "mobilenetv2": {"name": "mobilenetv2_100", "levels": (4,)},
    "swin": {"name": "swin_tiny_patch4_window7_224", "levels": (3,)},
}
OTHER = (5, 3, 77, 60)  # other images, and other sizes, than it was traced with


def packed(config, network: str):
    known, settings = trained(config, "small", **NETWORKS[network])
    matching = config.matchings["default"]
    pack = pack_of(known, settings, matching, name="people/small", seed=1, trained={}, provenance=known.provenance)
    known.network.backbone.network = folded(known.network.backbone.network)
    return known.network, pack


def apart(found, wanted) -> float:
    """The largest difference, relative to the length of an embedding."""
    length = np.linalg.norm(wanted, axis=-1).max() if wanted.ndim > 2 else 1.0
    return float(np.abs(found.astype(np.float32) - wanted).max() / length)


@pytest.mark.parametrize("network", NETWORKS)
def test_onnxruntime_gives_what_torch_gives(tmp_path, config, network):
    model, pack = packed(config, network)
    path = tmp_path / "model.onnx"
    write_exported(path, model, pack, "images")
    session = onnxruntime.InferenceSession(path)
    images = torch.randint(0, 256, OTHER, dtype=torch.uint8, generator=torch.manual_seed(0))
    with torch.no_grad():
        wanted = [value.float().numpy() for value in Graph(model, pack, "images")(images)]
    for found, want in zip(session.run(None, {"images": images.numpy()}), wanted, strict=True):
        assert apart(found, want) < 1e-4, f"onnxruntime {version('onnxruntime')}"


def test_an_onnx_file_says_what_it_takes_and_gives(tmp_path, config):
    model, pack = packed(config, "mobilenetv2")
    write_exported(tmp_path / "model.onnx", model, pack, "images")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    told = session.get_modelmeta().custom_metadata_map
    assert told["input"] == "images [N, 3, H, W], RGB, any size, uint8 0..255"
    assert told["compared"].split(",") == ["foreground", *pack.parts]
    assert [output.name for output in session.get_outputs()] == told["outputs"].split(",")
    assert Pack.model_validate_json(told["pack"]) == pack


@pytest.mark.parametrize("network", NETWORKS)
def test_openvino_gives_what_torch_gives(tmp_path, config, network):
    model, pack = packed(config, network)
    write_exported(tmp_path / "model.xml", model, pack, "images")
    compiled = openvino.compile_model(tmp_path / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = torch.randint(0, 256, OTHER, dtype=torch.uint8, generator=torch.manual_seed(0))
    with torch.no_grad():
        wanted = Graph(model, pack, "images")(images)
    found = compiled(images.numpy())
    for name, want in zip(("features", "visibility", "scores", "flat"), wanted, strict=True):
        assert apart(found[name], want.float().numpy()) < 1e-4, f"openvino {openvino.__version__}"
    told = openvino.Core().read_model(tmp_path / "model.xml").get_rt_info(["bpbreid", "pack"])
    assert Pack.model_validate_json(told.astype(str)) == pack


def test_torch_loads_its_own_without_our_code(tmp_path, config):
    model, pack = packed(config, "mobilenetv2")
    write_exported(tmp_path / "model.pt2", model, pack, "tensors")
    told = {"pack": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=told)
    assert Pack.model_validate_json(told["pack"]) == pack
    images = torch.randn(4, 3, *pack.preprocessing.size)
    with torch.no_grad():
        for found, want in zip(program.module()(images), Graph(model, pack, "tensors")(images), strict=True):
            assert apart(found.float().numpy(), want.float().numpy()) < 1e-5


@pytest.fixture
def run(people, config, tmp_path, monkeypatch):
    """The working folder of a finished run, with a pack of random weights."""
    monkeypatch.chdir(tmp_path)
    copy_configuration(tmp_path)
    write(tmp_path / "results/synthetic/small/pack", config)
    shutil.copytree(people.root, tmp_path / "results/synthetic/source")
    shutil.copy(people.manifest, tmp_path / "results/synthetic/manifest.csv")


INT8 = ["export", "results/synthetic/small/pack", "--output", "small.onnx", "--int8", "synthetic", "--max-map-loss"]


def test_int8_is_smaller_and_gives_nearly_the_same(run, capsys):
    assert main([*INT8, "100"]) == 0, capsys.readouterr().err
    assert re.search(r"^mAP on synthetic: [\d.]+ in float32, [\d.]+ in int8$", capsys.readouterr().out, re.MULTILINE)
    assert main(["export", INT8[1], "--output", "float.onnx"]) == 0
    small, float32 = (Path(name).stat().st_size for name in ("small.onnx", "float.onnx"))
    assert small < 0.6 * float32  # five of its twelve convolutions stay in float
    photographs = sorted(Path("results/synthetic/source/query").glob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(path).resize((32, 64))) for path in photographs])
    images = {"images": pixels.transpose(0, 3, 1, 2)}
    found, wanted = (onnxruntime.InferenceSession(name).run(None, images)[0] for name in ("small.onnx", "float.onnx"))
    cosine = (found * wanted).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(wanted, axis=-1)
    assert cosine.min() > 0.9
    assert np.abs(found - wanted).max() > 0
    assert "int8" in onnxruntime.InferenceSession("small.onnx").get_modelmeta().custom_metadata_map


def test_int8_that_loses_too_much_is_not_written(run, capsys):
    assert main([*INT8[:-1], "--max-map-loss=-100"]) != 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "mAP" in line]
    assert re.search(r"small.onnx: not written, mAP falls from [\d.]+ in float32 to [\d.]+ in int8", line)
    assert not Path("small.onnx").exists()


def test_every_line_of_the_docs_runs(run, tmp_path):
    Image.effect_noise((90, 200), 80).convert("RGB").save("query.jpg")
    known = {}
    for block in blocks_of(__file__):
        if block.language == "py":
            exec(block.code, known)
            continue
        for line in block.lines:  # random weights have mAP by chance
            assert run_reid(line + " --max-map-loss 100" * ("--int8" in line)) == "export"
    written = {path.name for path in tmp_path.glob("*.*")}
    assert {"model.onnx", "model.int8.onnx", "model.pt2", "model.xml", "boxmot.onnx", "ultralytics.onnx"} <= written
    wanted = load("results/synthetic/small/pack", "cpu").embed("query.jpg")
    assert np.abs(known["flat"] - wanted.flat()).max() < 5e-3
    assert json.loads(known["told"]["pack"])["name"] == "people/small"
