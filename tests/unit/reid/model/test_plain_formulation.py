"""A training step has the loss and the gradients of the formulation that builds its map and masks it.

The plain formulation is the one that `benchmarks/training.py` measures against.
"""

from copy import deepcopy

import pytest
import torch

from benchmarks.training import Usual
from reid.checkpoints.store import new_model
from reid.config.root import BackboneConfig
from reid.losses.gilt import objective
from reid.model.appearance import AppearanceMap

LEVELS = BackboneConfig(name="regnetx_002", weights=None, levels=(2, 3, 4))  # 576 channels, as HRNet's at three sizes
PARTS, BATCH = 8, 8


def usual(network):
    """The same network under the usual formulation."""
    network.__class__ = Usual
    return network


def step(network, loss, images):
    """The loss, and the gradient of every parameter by its name."""
    network.zero_grad()
    value = loss_of(network(images), loss)
    value.backward()
    return value.item(), {name: one.grad.clone() for name, one in network.named_parameters() if one.requires_grad}


def loss_of(output, loss) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, PARTS + 1, (BATCH, *output.attention.shape[-2:]), generator=generator)
    scores = output.identity_scores, output.attention_scores
    return objective(output.embeddings, *scores, labels, torch.arange(BATCH) // 4, loss)["loss"]


@pytest.fixture(params=["hrnet", "hrnet_official"])
def case(request, config):
    """A network of three levels under HRNet's head and losses, its loss and images."""
    settings = config.model(request.param).model_copy(update={"backbone": LEVELS, "size": (96, 64)})
    torch.manual_seed(1)  # not 0: under `official`, 1e-7 of noise in its levels moves exact gradients by 1.5e-4
    network = new_model(settings, PARTS, identities=5).train()
    torch.nn.init.normal_(network.part_classifier.weight, std=0.05)
    return network, settings.loss, torch.randn(BATCH, 3, 96, 64)


def test_the_gradients_of_all_parameters_are_those_of_the_plain_formulation(case, monkeypatch):
    """In double precision, where rounding hides nothing."""
    monkeypatch.setattr(AppearanceMap, "float", lambda self: self)
    network, loss, images = case
    value, gradients = step(network.double(), loss, images.double())
    expected_value, expected = step(usual(network), loss, images.double())
    assert value == pytest.approx(expected_value, rel=1e-12)
    for (name, gradient), plain in zip(gradients.items(), expected.values(), strict=True):
        torch.testing.assert_close(gradient, plain, rtol=1e-8, atol=1e-8, msg=name)


def test_single_precision_is_as_good_as_the_plain_formulation_in_double(case):
    """The loss to 1e-6, the gradients of the backbone's levels to 1e-5."""
    network, loss, images = case
    levels = [level.detach().requires_grad_() for level in network.backbone.network(images)]
    doubles = [level.detach().double().requires_grad_() for level in levels]
    plain = usual(deepcopy(network).double())
    value = loss_of(network._heads(AppearanceMap(levels), None), loss)
    expected = loss_of(plain._heads(AppearanceMap(doubles), None), loss)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    pairs = zip(torch.autograd.grad(value, levels), torch.autograd.grad(expected, doubles), strict=True)
    for gradient, exact in pairs:
        assert (gradient - exact).norm() <= 1e-5 * exact.norm()
