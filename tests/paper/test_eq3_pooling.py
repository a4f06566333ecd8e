"""Eq. 3: global weighted average pooling, against a loop over maps, channels and cells."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid.model.appearance import AppearanceMap
from reid.model.attention import attention_maps
from reid.model.bpbreid import pool_embeddings
from reid.model.pooling import weighted_average


def random(*shape, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def test_eq3_is_the_mean_weighted_by_the_map():
    features, maps = random(2, 3, 4, 2), random(2, 5, 4, 2, seed=4).abs()
    pooled = weighted_average(AppearanceMap([features]), maps)
    for n in range(2):
        for i in range(5):
            cells = [(row, column) for row in range(4) for column in range(2)]
            mass = sum(maps[n, i, row, column] for row, column in cells)
            for c in range(3):
                weighted = sum(features[n, c, row, column] * maps[n, i, row, column] for row, column in cells)
                assert pooled[n, i, c].item() == pytest.approx((weighted / mass).item(), rel=1e-9)


@given(scale=st.floats(0.01, 100))
def test_only_the_shape_of_a_map_counts(scale):
    features, maps = AppearanceMap([random(1, 3, 4, 2)]), random(1, 2, 4, 2, seed=4).abs() + 0.1
    assert torch.allclose(weighted_average(features, maps), weighted_average(features, maps * scale))


def test_an_empty_map_gives_zeros():
    assert not weighted_average(AppearanceMap([random(1, 3, 4, 2)]), torch.zeros(1, 1, 4, 2, dtype=torch.double)).any()


def test_gradients():
    maps = (random(2, 2, 3, 2, seed=4).abs() + 0.1).requires_grad_()
    features = random(2, 3, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda *both: weighted_average(AppearanceMap(both[:1]), both[1]), (features, maps))


def test_the_embeddings_of_section_3_2_1():
    features, attention = random(2, 3, 4, 2), attention_maps(random(2, 6, 4, 2, seed=4))
    whole = AppearanceMap([features])
    embeddings = pool_embeddings(whole, attention)
    assert torch.allclose(embeddings["global"], features.mean((2, 3)))
    strongest = attention[:, 1:].max(dim=1, keepdim=True).values
    assert torch.allclose(embeddings["foreground"], weighted_average(whole, strongest)[:, 0])
    assert torch.allclose(embeddings["parts"], weighted_average(whole, attention[:, 1:]))
    assert torch.equal(embeddings["concatenated"], torch.cat([embeddings["parts"][:, k] for k in range(5)], dim=1))
