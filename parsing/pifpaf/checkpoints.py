"""PifPaf checkpoints: our own (.safetensors with its architecture) and openpifpaf's released ones (.pkl).

A released checkpoint pickles whole modules, and unpickling can run any code. So its SHA-256 is compared first, and
then only classes of network layers are let through, never functions such as `posix.system`.
"""

import importlib
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from artefacts.errors import UserError
from artefacts.files import sha256_of
from artefacts.weights import read_weights, write_weights
from parsing.pifpaf import network as pifpaf

LARGEST_HALF = torch.finfo(torch.float16).max

# Modules whose own classes may be built, and single functions and types that may be called.
LAYERS = (
    "torch.nn.modules.",
    "torchvision.models.",
    "torchvision.ops.misc",
    "openpifpaf.network.",
    "openpifpaf.headmeta",
)
OTHERS = {
    "collections": {"OrderedDict"},
    "builtins": {"set"},
    "__builtin__": {"set"},
    "torch": {"Size", "FloatStorage", "HalfStorage", "LongStorage", "DoubleStorage", "IntStorage", "BoolStorage"},
    "torch._utils": {"_rebuild_tensor_v2", "_rebuild_parameter"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
}


def save_network(path: Path, network: nn.Module, architecture: pifpaf.Architecture, provenance: dict) -> None:
    """Write a network of our own: weights as float16, architecture and provenance as JSON metadata."""
    tensors = {name: _halved(tensor) for name, tensor in network.state_dict().items()}
    write_weights(path, tensors, {"architecture": vars(architecture), "provenance": provenance})


def _halved(tensor: Tensor) -> Tensor:
    fits = tensor.is_floating_point() and bool(tensor.abs().max() < LARGEST_HALF)
    return tensor.half() if fits else tensor


def load_network(path: Path, sha256: str | None = None) -> nn.Module:
    """The network of a checkpoint, float32, in eval mode.

    `sha256` is its digest or the first digits of it. Raises UserError if the file is missing, is another one, is
    damaged, or asks for code that is no network layer.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such PifPaf checkpoint; put it there, or change pifpaf.*.weights")
    if sha256 and not (found := sha256_of(path)).startswith(sha256):
        raise UserError(
            f"{path}: its SHA-256 starts with {found[:16]}, not {sha256[:16]}: it is another file; remove it, and get "
            "the one that pifpaf.*.sha256 asks for (`downloads` says where), or change that key"
        )
    network = _load_ours(path) if path.suffix == ".safetensors" else _load_released(path)
    return network.float().eval()


def _load_ours(path: Path) -> nn.Module:
    try:
        tensors, metadata = read_weights(path)
        described = metadata["architecture"].items()
        architecture = pifpaf.Architecture(**{key: _as_tuple(value) for key, value in described})
        network = pifpaf.build_network(architecture)
        network.load_state_dict({name: _in_full(tensor) for name, tensor in tensors.items()})
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: is no PifPaf checkpoint of ours, or a damaged one ({_line(error)})") from None
    return network


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _in_full(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _load_released(path: Path) -> nn.Module:
    layers_only = SimpleNamespace(Unpickler=LayerUnpickler, load=_load_layers, __name__="layers_only")
    try:
        checkpoint = torch.load(path, map_location="cpu", pickle_module=layers_only, weights_only=False)
        network = checkpoint["model"]
        if not isinstance(network, nn.Module):
            raise TypeError(f"it holds a {type(network).__name__} where a network was expected")
        return pifpaf.migrate(network).float()
    except Exception as error:  # of many types: the file is anything
        raise UserError(f"{path}: is no released PifPaf checkpoint ({_line(error)})") from None


class LayerUnpickler(pickle._Unpickler):
    """Unpickles network layers, tensors and plain containers, and refuses everything else.

    It is Python's slower unpickler: for a few bytes the compiled one can be made to take all memory.
    """

    dispatch: ClassVar[dict] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }  # which takes memory before anything is read

    def find_class(self, module: str, name: str) -> object:
        """The named class, if it is on the list. Raises UnpicklingError otherwise."""
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if name in OTHERS.get(module, ()):
            return super().find_class(module, name)
        if module.startswith(LAYERS) and "." not in name:
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__module__.startswith(LAYERS):
                return found
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no network layer: do not trust this file")


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of protocol 2 spell the bytes of numpy arrays; other encodings have no business there."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}: do not trust this file")
    return text.encode("latin1")


def _load_layers(file: object, **options: object) -> object:
    return LayerUnpickler(file, **options).load()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
