"""Checkpoints: ours and released ones load; anything that could run code does not."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from openpifpaf.network import factory, heads, nets
from safetensors.torch import save_file

from artefacts.errors import UserError
from artefacts.files import sha256_of
from parsing.pifpaf import network as pifpaf
from parsing.pifpaf.checkpoints import LayerUnpickler, load_network
from tests.pifpaf import lively_network, write_checkpoint

IMAGES = torch.arange(2 * 3 * 64 * 32).reshape(2, 3, 64, 32).mul(7).remainder(256).to(torch.uint8)


def released(path: Path, base: str = "shufflenetv2k16", fields: type = heads.CompositeField4) -> torch.nn.Module:
    """A checkpoint in the layout of openpifpaf's releases: whole modules, pickled."""
    torch.manual_seed(0)
    body = factory.BASE_FACTORIES[base]()
    network = nets.Shell(body, [fields(meta, body.out_features) for meta in pifpaf.head_metas(2)])
    nets.model_defaults(network)
    torch.save({"model": network, "epoch": 350, "meta": {"args": ["train"]}}, path)
    return network.eval()


def test_our_own_comes_back_within_half_precision(tmp_path):
    before = lively_network()
    after = load_network(write_checkpoint(tmp_path / "small.safetensors"))
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in after.state_dict().values())
    expected = pifpaf.confidences(*pifpaf.fields(before, IMAGES))
    found = pifpaf.confidences(*pifpaf.fields(after, IMAGES))
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


def test_a_released_one_comes_back_the_same(tmp_path):
    before = released(tmp_path / "released.pkl")
    after = load_network(tmp_path / "released.pkl", sha256_of(tmp_path / "released.pkl")[:8])
    for ours, theirs in zip(pifpaf.fields(before, IMAGES), pifpaf.fields(after, IMAGES), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)
    assert pifpaf.network_stride(after) == 8


def test_another_file_than_the_one_asked_for(tmp_path):
    path = write_checkpoint(tmp_path / "small.safetensors")
    with pytest.raises(UserError, match=r"small\.safetensors: its SHA-256 starts with [0-9a-f]{16}, not 01234567"):
        load_network(path, "01234567")


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"big\.pkl: no such PifPaf checkpoint; put it there, or change pifpaf"):
        load_network(tmp_path / "big.pkl")


class Planted:
    """Pickles as a call of posix.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_planted_code_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"model": Planted(f"touch {trace}"), "epoch": 1}, tmp_path / "evil.pkl")
    with pytest.raises(UserError, match=r"evil\.pkl: .* asks for posix\.system, .* do not trust this file"):
        load_network(tmp_path / "evil.pkl")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("torch.nn.modules.module", "torch"),
        ("torch.nn.modules.module", "torch.os.system"),
        ("torch.nn.modules.module", "register_module_forward_hook"),
        ("openpifpaf.network.factory", "LOG"),
        ("openpifpaf.network.basenetworks", "torch.hub.load"),
        ("torch.hub", "load"),
        ("torch", "load"),
    ],
)
def test_what_is_no_layer_is_refused(tmp_path, module, name):
    with pytest.raises(pickle.UnpicklingError, match="do not trust this file"):
        LayerUnpickler(open(os.devnull, "rb")).find_class(module, name)  # noqa: SIM115


def test_a_network_that_is_none(tmp_path):
    torch.save({"model": {"weight": torch.zeros(2)}, "epoch": 1}, tmp_path / "odd.pkl")
    with pytest.raises(UserError, match=r"odd\.pkl: is no released .* holds a dict where a network was expected"):
        load_network(tmp_path / "odd.pkl")


@pytest.mark.parametrize("name", ["broken.pkl", "broken.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_checkpoint(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: is no"):
        load_network(tmp_path / name)


def test_a_truncated_checkpoint(tmp_path):
    for path in (write_checkpoint(tmp_path / "small.safetensors"), tmp_path / "released.pkl"):
        if path.suffix == ".pkl":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", b"\x80\x02")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UserError, match="is no"):
            load_network(path)


def test_foreign_safetensors(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match=r"foreign\.safetensors: is no PifPaf checkpoint of ours"):
        load_network(tmp_path / "foreign.safetensors")


def test_fields_of_another_layout_are_refused():
    network = lively_network()
    network.head_nets[1] = network.head_nets[0]
    with pytest.raises(UserError, match="5 and 5 components a field instead of 5 and 8"):
        pifpaf.fields(network, IMAGES)
