"""A network made ready to label computes what it did before, in float32 exactly and in bfloat16 nearly."""

import numpy as np
import pytest
import torch

from parsing.pifpaf import network as pifpaf
from parsing.pifpaf.checkpoints import load_network
from parsing.pifpaf.inference import (
    BFLOAT16_BOUND,
    ShuffleBlock,
    fold_batch_norm,
    interleave_at_once,
    make_ready,
    one_dnn,
)
from tests.conftest import PROJECT
from tests.labelling import noise_image
from tests.people import People
from tests.pifpaf import lively_network

CPU = torch.device("cpu")
SHIPPED = PROJECT / "resources/pifpaf/small.safetensors"


def images(count: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(noise_image(seed)) for seed in range(count)])).permute(0, 3, 1, 2)


def largest_difference(first: tuple, second: tuple) -> float:
    return max(float((ours - theirs).abs().max()) for ours, theirs in zip(first, second, strict=True))


def test_folded_networks_give_the_same():
    folded = fold_batch_norm(lively_network())
    assert not [module for module in folded.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for ours, theirs in zip(pifpaf.fields(folded, images()), pifpaf.fields(lively_network(), images()), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=1e-4)


def test_blocks_that_interleave_at_once_give_the_same():
    network = interleave_at_once(lively_network())
    assert sum(isinstance(module, ShuffleBlock) for module in network.modules()) == 3
    assert not [module for module in network.modules() if isinstance(module, pifpaf.InvertedResidualK)]
    assert largest_difference(pifpaf.fields(network, images()), pifpaf.fields(lively_network(), images())) < 1e-4


@pytest.mark.parametrize("branch1", [torch.nn.Tanh(), None])
def test_channels_are_interleaved_as_theirs(branch1):
    theirs = lively_network().base_net.stage3[0]
    theirs.branch1, theirs.branch2 = branch1, torch.nn.ReLU()
    x = torch.randn(2, 6, 3, 4)
    assert torch.equal(ShuffleBlock(theirs)(x), theirs(x))


def test_blocks_leave_channels_last():
    block = interleave_at_once(lively_network()).to(memory_format=torch.channels_last).base_net.stage3[0]
    x = torch.rand(2, 16, 9, 5).to(memory_format=torch.channels_last)
    assert block(x).is_contiguous(memory_format=torch.channels_last)


def test_1x1_convolutions_by_another_way_give_the_same():
    changed = one_dnn(lively_network())
    ways = {module.dilation for module in changed.modules() if isinstance(module, torch.nn.Conv2d)}
    assert ways == {(1, 1), (2, 2)}
    assert largest_difference(pifpaf.fields(changed, images()), pifpaf.fields(lively_network(), images())) < 1e-3


def test_float32_keeps_every_confidence(people):
    assert confidence_difference(people, 4, "float32", lambda network: network) < 1e-5


def test_bfloat16_keeps_confidences_within_the_stated_bound(people):
    difference = confidence_difference(people, 2, "bfloat16", in_float32)
    assert 1e-4 < difference <= BFLOAT16_BOUND


@pytest.mark.slow
def test_bfloat16_keeps_confidences_of_many_people_within_the_stated_bound(people):
    assert confidence_difference(people, 60, "bfloat16", in_float32) <= BFLOAT16_BOUND


def in_float32(network: torch.nn.Module) -> torch.nn.Module:
    return make_ready(network, "float32", CPU)


def confidence_difference(people: People, count: int, precision: str, reference) -> float:
    """Largest difference that `precision` makes to the shipped network's confidences of `count` rendered people."""
    from artefacts.manifest import read_sources
    from parsing.pifpaf.extraction import load

    ready = make_ready(load_network(SHIPPED), precision, CPU)
    network = reference(load_network(SHIPPED))
    worst = 0.0
    for source in read_sources(people.index)[:: max(1, len(read_sources(people.index)) // count)][:count]:
        pixels = torch.from_numpy(load(people.root, source, (256, 128))[1].copy()).permute(2, 0, 1)[None]
        ours, theirs = (pifpaf.confidences(*pifpaf.fields(each, pixels)) for each in (ready, network))
        worst = max(worst, float((ours - theirs).abs().max()))
    return worst
