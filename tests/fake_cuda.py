"""A CUDA device on machines without one: torch's fake tensors, which have a shape, a type and a device but no values.

An operation on tensors of different devices, or one whose result's shape depends on values, is an error.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.autograd.graph import Node
from torch.utils._python_dispatch import TorchDispatchMode

from reid.checkpoints.store import new_model
from reid.config.root import Model
from reid.data.samples import TrainingBatch
from reid.model.bpbreid import BPBReID
from reid.stages.train import MIXED

aten = torch.ops.aten
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
PARTS, IDENTITIES, BATCH = 5, 4, 8


class _Mode(FakeTensorMode):
    """One that is still itself where tensors are copied deeply."""

    def __deepcopy__(self, _: dict) -> "_Mode":
        return self


@contextmanager
def fake_cuda() -> Iterator["Waits"]:
    """Tensors are fake within, torch believes in a GPU that knows bfloat16, and what the host waits for is counted."""
    waits = Waits()
    replaced = {
        "torch.cuda.amp.common.amp_definitely_not_available": lambda: False,
        "torch.cuda.is_bf16_supported": lambda: True,
        "torch.cuda.Stream": mock.MagicMock(),
        "torch.cuda.stream": mock.MagicMock(),
        "torch.cuda.current_stream": mock.MagicMock(),
        "torch.cuda.Event": lambda: SimpleNamespace(record=lambda: None, synchronize=waits.count),
        "torch.Tensor.record_stream": lambda *_: None,
        "torch.Tensor.pin_memory": pinned,
        # A fake parameter that is moved is swapped, which torch refuses where it holds weak references itself.
        "torch.utils.weakref": SimpleNamespace(getweakrefs=lambda _: ()),
    }
    with ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(mock.patch(name, value))
        waits.mode = stack.enter_context(_Mode())
        yield stack.enter_context(waits)


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for the device: values read from it, and copies that are not left alone.

    Fake tensors have no values: those that are read are ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mode: FakeTensorMode | None = None
        self.number = 0

    def count(self) -> None:
        """The host has waited."""
        self.number += 1

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is aten.detach.default and not isinstance(args[0], FakeTensor):  # numpy of what was read
            with unset_fake_temporarily():
                return function(*args, **kwargs)
        if function.namespace == "aten":  # tensors of inference_mode come with operations that are not yet taken apart
            with self:
                result = function.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if function is aten._local_scalar_dense.default and args[0].device == CUDA:
            self.count()
            return 1.0
        result = function(*args, **kwargs)
        if function is aten._to_copy.default:
            return self._copied(args[0], result, kwargs.get("non_blocking", False))
        if function is aten.copy_.default:
            return self._copied(args[1], result, args[2:3] == (True,) or kwargs.get("non_blocking", False))
        return result

    def _copied(self, source: Tensor, result: Tensor, is_left_alone: bool) -> Tensor:
        if source.device == result.device:
            return result
        if not is_left_alone or (result.device == CUDA and not hasattr(source, "pinned")):
            self.count()
        if result.device == CUDA:
            return result
        with unset_fake_temporarily():
            return torch.ones(result.shape, dtype=result.dtype)


def pinned(tensor: Tensor) -> Tensor:
    """The tensor in memory that a device reads by itself."""
    assert tensor.device == CPU
    copied = tensor.clone()
    copied.pinned = True
    return copied


@contextmanager
def fake_accelerator(precision: str) -> Iterator[Accelerator]:
    """An Accelerator whose device is the fake one."""
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True, mixed_precision=MIXED[precision])
    accelerator.state.device = PartialState().device = CUDA
    accelerator.backward = backward
    yield accelerator
    AcceleratorState._reset_state(reset_partial_state=True)


def fake_model(settings: Model, mode: FakeTensorMode) -> BPBReID:
    """The untrained network of a model entry, of fake tensors on the CPU."""
    with unset_fake_temporarily(), torch.device("meta"):
        network = new_model(settings, PARTS, IDENTITIES)
        for module in network.modules():
            for name, value in [one for one in module._parameters.items() if one[1] is not None]:
                module._parameters[name] = nn.Parameter(FakeTensor(mode, value.data, CPU), value.requires_grad)
            for name, value in [one for one in module._buffers.items() if one[1] is not None]:
                module._buffers[name] = FakeTensor(mode, value, CPU)
    return network


def fake_batch(settings: Model) -> TrainingBatch:
    """A training batch as a loader gives it: on the CPU, and here fake."""
    height, width = settings.size
    cells = height // 4, width // 4
    return TrainingBatch(
        images=torch.zeros(BATCH, height, width, 3, dtype=torch.uint8).permute(0, 3, 1, 2),
        labels=torch.zeros(BATCH, *cells, dtype=torch.uint8) if settings.head.attention != "stripes" else None,
        identities=torch.zeros(BATCH, dtype=torch.long),
        cameras=torch.zeros(BATCH, dtype=torch.long),
        keys=[f"{number}.jpg" for number in range(BATCH)],
        confidences=torch.zeros(BATCH, PARTS, *cells, dtype=torch.uint8) if settings.asks_for_confidences else None,
    )


def backward(loss: Tensor) -> None:
    """`loss.backward()`, node by node: torch's own engine asks the device for streams, and there is none.

    As the engine does, it checks the gradients' devices, sums them to the shapes of what they are gradients of, and
    gives them their types.
    """
    order = _in_order(loss.grad_fn)
    gradients: dict[Node, dict[int, Tensor]] = {node: {} for node in order}
    gradients[loss.grad_fn][0] = torch.ones_like(loss)
    for node in order:
        given = [gradients[node].get(number) for number in range(len(node._input_metadata))]
        if hasattr(node, "variable"):
            node.variable.grad = given[0] if node.variable.grad is None else node.variable.grad + given[0]
            continue
        with torch.no_grad():
            results = node.apply(*given) if hasattr(node, "apply") else node(*given)
        for (following, number), gradient in zip(node.next_functions, _as_tuple(results), strict=True):
            if following is not None and gradient is not None:
                gradient = _fitted(gradient, following._input_metadata[number])
                before = gradients[following].get(number)
                gradients[following][number] = gradient if before is None else before + gradient


def _in_order(last: Node) -> list[Node]:
    """All nodes that lead to `last`, each behind those that it takes gradients from."""
    finished, seen, stack = [], set(), [(last, False)]
    while stack:
        node, is_left = stack.pop()
        if is_left:
            finished.append(node)
        elif node is not None and node not in seen:
            seen.add(node)
            stack += [(node, True), *((following, False) for following, _ in node.next_functions)]
    return finished[::-1]


def _as_tuple(results: object) -> tuple:
    return results if isinstance(results, tuple) else (results,)


def _fitted(gradient: Tensor, metadata: SimpleNamespace) -> Tensor:
    assert gradient.device == metadata.device, f"a gradient on {gradient.device} of a tensor on {metadata.device}"
    if gradient.shape != metadata.shape:
        gradient = gradient.sum_to_size(metadata.shape)
    return gradient.to(metadata.dtype)
