"""Head and losses at HRNet's size build no tensor of N x K x C x H x W, nor the 1,920-channel map."""

import json
import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reid.config.root import Config
from reid.losses.gilt import objective
from reid.model.appearance import AppearanceMap
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID

PARTS, IDENTITIES, GRID = 8, 4, (96, 32)
BRANCHES = [(128, 1), (256, 2), (512, 4), (1024, 8)]  # channels, stride over the finest: HRNet-W32 at 384x128
CHANNELS = sum(channels for channels, _ in BRANCHES)


class Branches(torch.nn.Module):
    """HRNet-W32's four branches, given as they are."""

    channels, stride = CHANNELS, 4

    def forward(self, images: torch.Tensor) -> AppearanceMap:
        levels = [
            torch.rand(len(images), channels, GRID[0] // stride, GRID[1] // stride).requires_grad_()
            for channels, stride in BRANCHES
        ]
        return AppearanceMap([level.to(memory_format=torch.channels_last) for level in levels])


class Largest(TorchDispatchMode):
    """Notes the most elements that a tensor of any operation had."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        found = function(*arguments, **(options or {}))
        storages = [leaf.untyped_storage().nbytes() // leaf.element_size() for leaf in tree_leaves(found)
                    if isinstance(leaf, torch.Tensor)]  # fmt: skip
        self.elements = max([self.elements, *storages])
        return found


def head(config: Config, model: str) -> BPBReID:
    settings = config.model(model)
    necks = tuple(dict.fromkeys([*settings.loss.identity, *settings.use_bnneck_for]))
    return BPBReID(Branches(), PARTS, IDENTITIES, necks, settings.head)


def step(network: BPBReID, config: Config, model: str, images: int) -> None:
    """Head, losses and backward of a batch."""
    settings = config.model(model)
    output = network(torch.zeros(images, 3, 1, 1))
    labels = torch.randint(0, PARTS + 1, (images, *GRID))
    identities = torch.arange(images) % IDENTITIES
    visible = visible_parts(output.attention, settings.visibility)
    if settings.loss.triplet_visibility is None:
        visible = None
    objective(
        output.embeddings, output.identity_scores, output.attention_scores, labels, identities, settings.loss, visible
    )["loss"].backward()


@pytest.mark.parametrize("model", ["hrnet", "hrnet_official"])
def test_no_tensor_is_larger_than_the_finest_branch_or_the_attention(config, model):
    torch.manual_seed(0)
    network, images = head(config, model), 4
    with Largest() as largest:
        step(network, config, model, images)
    of_inputs = max(images * BRANCHES[0][0] * GRID[0] * GRID[1], IDENTITIES * PARTS * CHANNELS)
    assert largest.elements <= of_inputs
    assert largest.elements < images * CHANNELS * GRID[0] * GRID[1] / 10


@pytest.mark.slow
def test_its_peak_memory_is_a_fraction_of_the_masked_product_s():
    """Resident memory of a process of its own, above what it has with its inputs, for 16 images."""
    line = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True).stdout
    ours, product = json.loads(line), 16 * PARTS * CHANNELS * GRID[0] * GRID[1] * 4
    assert 0 < ours < 0.25 * product


MEASURE = """
import json, torch
from reid.config.files import read_configuration
from tests.unit.reid.model.test_lean_head import head, step
torch.set_num_threads(1)
config = read_configuration()
network = head(config, "hrnet")
step(network, config, "hrnet", 2)
peak = lambda: 1024 * int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
before = peak()
step(network, config, "hrnet", 16)
print(json.dumps(peak() - before))
"""
