"""The appearance map that is never built gives what the built one gives: values, gradients and statistics."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from reid.model.appearance import AppearanceMap
from reid.model.attention import NormalisedPartClassifier
from tests.appearance import whole

GRIDS = {
    "one level": [(5, 3)],
    "HRNet's proportions": [(8, 4), (4, 2), (2, 1)],
    "odd": [(5, 4), (3, 2), (1, 1)],
    "equal": [(4, 2), (4, 2)],
}


@pytest.fixture(params=GRIDS.values(), ids=GRIDS)
def features(request) -> AppearanceMap:
    """Three images of 2, 3, 4 … channels a level, in double precision and channels last, as in training."""
    generator = torch.Generator().manual_seed(0)
    levels = [
        torch.randn(3, 2 + number, *grid, generator=generator, dtype=torch.double)
        for number, grid in enumerate(request.param)
    ]
    return AppearanceMap([level.contiguous(memory_format=torch.channels_last).requires_grad_() for level in levels])


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def channels(features: AppearanceMap) -> int:
    return sum(level.shape[1] for level in features.levels)


def test_a_product_at_every_cell(features):
    matrix, shift = random(4, channels(features)), random(4, seed=2)
    torch.testing.assert_close(
        features.product(matrix, shift),
        conv2d(whole(features), matrix[:, :, None, None], shift),
        rtol=1e-10,
        atol=1e-12,
    )
    torch.testing.assert_close(features.product(matrix), features.product(matrix, torch.zeros(4)))


def test_sums_weighted_by_maps(features):
    maps = random(3, 5, *features.grid).abs()
    expected = torch.einsum("nmhw,nchw->nmc", maps, whole(features))
    torch.testing.assert_close(features.weighted_sum(maps), expected, rtol=1e-10, atol=1e-12)


def test_mean_and_variance_of_every_channel(features):
    mean, variance = features.moments()
    built = whole(features)
    torch.testing.assert_close(mean, built.mean((0, 2, 3)), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(variance, built.var((0, 2, 3), unbiased=False), rtol=1e-10, atol=1e-12)


def test_gradients(features):
    matrix, maps = random(2, channels(features)).requires_grad_(), random(3, 2, *features.grid).requires_grad_()

    def everything(matrix, maps, *levels):
        again = AppearanceMap(levels)
        return again.product(matrix), again.weighted_sum(maps), *again.moments()

    assert torch.autograd.gradcheck(everything, (matrix, maps, *features.levels), fast_mode=True)


def test_a_channel_without_spread_has_no_negative_variance():
    level = torch.full((4, 3, 8, 4), 1000.1)
    assert AppearanceMap([level, level[:, :, :4, :2]]).moments()[1].min() >= 0


@pytest.mark.parametrize("training", [True, False])
def test_a_folded_normalisation_is_batch_normalisation_and_a_convolution(features, training):
    count = channels(features)
    folded, norm = NormalisedPartClassifier(count, 3).double(), nn.BatchNorm2d(count).double()
    for parameter in folded.parameters():
        nn.init.normal_(parameter)
    norm.load_state_dict(folded.norm.state_dict())
    for _ in range(2):  # the running statistics of a first batch go into those of a second
        expected = conv2d(norm(whole(features)), folded.weight[:, :, None, None], folded.bias)
        torch.testing.assert_close(folded(features), expected, rtol=1e-9, atol=1e-10)
    for module in (folded, norm):
        module.train(training)
    torch.testing.assert_close(folded.norm.state_dict(), norm.state_dict())
    expected = conv2d(norm(whole(features)), folded.weight[:, :, None, None], folded.bias)
    torch.testing.assert_close(folded(features), expected, rtol=1e-9, atol=1e-10)


def test_half_precision_becomes_single():
    halves = AppearanceMap([torch.ones(1, 2, 4, 2, dtype=torch.bfloat16), torch.ones(1, 2, 2, 1, dtype=torch.bfloat16)])
    assert halves.float().product(torch.ones(1, 4)).dtype == torch.float32
