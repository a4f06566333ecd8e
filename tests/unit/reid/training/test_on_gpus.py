"""What makes a step fast on a GPU and changes no value: one kernel for all weights, and channels last in memory."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from reid.checkpoints.store import new_model
from reid.embeddings.extract import embed
from reid.embeddings.inference import make_ready
from reid.model.bpbreid import BPBReID
from reid.search.extractor import Extractor
from reid.training.trainer import Trainer, make_optimiser
from tests.fake_cuda import IDENTITIES, PARTS, fake_batch
from tests.unit.reid.training.test_fake_cuda import TINY, from_scratch


@pytest.fixture
def settings(config):
    return from_scratch(config.model("small"), TINY, precision="float32").model_copy(update={"size": (32, 16)})


@pytest.fixture
def network(settings) -> BPBReID:
    return new_model(settings, PARTS, IDENTITIES)


@pytest.mark.parametrize(("device", "fused"), [("cuda", True), ("cpu", False)])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_a_gpu_updates_all_weights_in_one_kernel(config, optimizer, device, fused):
    settings = from_scratch(config.model("small"), optimizer=optimizer)
    optimiser = make_optimiser(nn.Linear(2, 2), settings, torch.device(device))
    assert [group["fused"] for group in optimiser.param_groups] == [fused]


def last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def assert_channels_last(network: BPBReID, run) -> None:
    """Kernels of convolutions, and the images that reach them in `run`."""
    kernels = [one.weight for one in network.modules() if isinstance(one, nn.Conv2d) and one.kernel_size > (1, 1)]
    assert len(kernels) > 5
    assert all(last(kernel) for kernel in kernels if kernel.shape[1] > 1)
    seen = []
    network.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    run()
    assert [last(images) for images in seen] == [True]


def test_training_embedding_and_the_extractor_are_channels_last(settings, network):
    AcceleratorState._reset_state(reset_partial_state=True)
    trainer, batch = Trainer(network, settings, Accelerator(cpu=True)), fake_batch(settings)
    assert_channels_last(trainer.model, lambda: trainer.step(batch, 1))
    ready, cpu = make_ready(new_model(settings, PARTS, IDENTITIES), settings, torch.device("cpu")), torch.device("cpu")
    assert_channels_last(ready, lambda: embed(ready, batch, settings, cpu))
    parts, preprocessing = ["part"] * PARTS, SimpleNamespace(size=settings.size, mean=[0.5] * 3, std=[0.2] * 3)
    pack = SimpleNamespace(
        parts=parts, preprocessing=preprocessing, visibility=settings.visibility, head=settings.head, use_bnneck_for=[]
    )
    extractor = Extractor(new_model(settings, PARTS, IDENTITIES), pack, "cpu")
    pixels = torch.zeros(2, 3, *settings.size, dtype=torch.uint8)
    assert_channels_last(extractor.network, lambda: extractor.network(extractor.prepared(pixels)))
