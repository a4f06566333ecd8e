"""Formats side by side: those whose packages are here, each computing what torch does."""

import json
import sys

import pytest

from benchmarks import export
from reid.search.extractor import load
from tests.packs import write


@pytest.fixture
def pack(tmp_path, config):
    return write(tmp_path / "pack", config)


def test_a_format_without_its_packages_is_left_out_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "FORMATS", export.FORMATS | {"ONNX": (".onnx", ("onnx_that_is_not",), None)})
    monkeypatch.setattr(export, "SIZES", ((128, 64), (160, 64)))
    monkeypatch.setattr(export, "IMAGES", 2)
    monkeypatch.setattr(export, "MODELS", {})
    monkeypatch.setattr(export, "compute_on", lambda threads: None)
    monkeypatch.setattr(sys, "argv", ["export.py", "--report", str(tmp_path / "export.json")])
    export.main()
    told = capsys.readouterr().out
    assert "ONNX: left out, no onnx_that_is_not here" in told
    assert "resizing 128 x 64 inside: 0.00% of the values differ from those of reid embed, by 0 at most" in told
    assert json.loads((tmp_path / "export.json").read_text())["rows"] == []


def test_a_file_that_computes_something_else_ends_it(pack):
    model = load(pack, "cpu")
    same = lambda images: [model.embed(images).features]  # noqa: E731
    export.must_agree("same", model, same)
    with pytest.raises(SystemExit, match="other: features differ from torch's by 0"):
        export.must_agree("other", model, lambda images: [1.001 * same(images)[0]])


@pytest.mark.slow
def test_each_format_stands_next_to_torch(pack, config, monkeypatch):
    monkeypatch.setattr(export, "packed", lambda *_: pack)
    monkeypatch.setattr(export, "IMAGES", 2)
    rows = {row["what"]: row for row in export.measure(config, "small", turns=1)}
    usable = [name for name, (_, packages, _) in export.FORMATS.items() if not export.missing(packages)]
    assert "torch.export" in usable
    assert list(rows) == [f"MobileNetV2, {name}, {unit}" for unit in ("ms an image", "MB") for name in usable]
    for what, row in rows.items():
        assert row["ratio"] == row["theirs"] / row["ours"]
        if what.endswith("MB"):
            assert row["theirs"] == (pack / "model.safetensors").stat().st_size / 1e6
            least, most = (1.5, 4.5) if export.INT8 in what else (0.5, 1.5)
            assert least < row["ratio"] < most  # weights are in every file, once, or next to it
