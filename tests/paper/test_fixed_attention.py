"""Attention that is not learnt: PCB's stripes [23] and PifPaf's own confidences (Section 4.4.1), each against loops."""

import json

import pytest
import torch
from torch.nn import functional

from reid.checkpoints.store import new_model
from reid.config.root import Model
from reid.model.appearance import AppearanceMap
from reid.model.attention import confidence_maps, stripe_maps
from reid.model.pooling import weighted_average
from tests.appearance import whole

IMAGES = (3, 64, 32)


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@pytest.mark.parametrize(("stripes", "height"), [(6, 24), (6, 16), (6, 4), (3, 5), (1, 7)])
def test_a_stripe_is_the_average_over_a_band_of_equal_height(stripes, height):
    features = random(2, 3, height, 2)
    pooled = weighted_average(
        AppearanceMap([features]), stripe_maps(stripes, (height, 2)).double()[1:].expand(2, -1, -1, -1)
    )
    for n in range(2):
        for c in range(3):
            fine = [features[n, c, row].mean().item() for row in range(height) for _ in range(stripes)]
            for k in range(stripes):
                band = fine[k * height : (k + 1) * height]
                assert pooled[n, k, c].item() == pytest.approx(sum(band) / height, abs=1e-6)


def test_stripes_are_pcb_s_pooling_where_they_divide_the_rows():
    features = random(2, 3, 24, 8)
    pooled = weighted_average(AppearanceMap([features]), stripe_maps(6, (24, 8)).double()[1:].expand(2, -1, -1, -1))
    expected = functional.adaptive_avg_pool2d(features, (6, 1)).squeeze(3).transpose(1, 2)
    torch.testing.assert_close(pooled, expected)


@pytest.mark.parametrize(("stripes", "height"), [(6, 16), (14, 9)])
def test_stripes_share_every_cell_out_and_leave_no_background(stripes, height):
    maps = stripe_maps(stripes, (height, 3))
    assert maps.shape == (stripes + 1, height, 3)
    assert not maps[0].any()
    torch.testing.assert_close(maps.sum(0), torch.ones(height, 3))


def test_a_cell_takes_the_confidences_at_its_centre():
    confidences = torch.rand(2, 3, 8, 4, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    maps = confidence_maps(confidences, (2, 1))
    for n in range(2):
        for row in range(2):
            middle = [
                sum(confidences[n, k, 4 * row + i, j].item() for i in (1, 2) for j in (1, 2)) / 4 for k in range(3)
            ]
            assert maps[n, 1:, row, 0].tolist() == pytest.approx(middle, rel=1e-9)
            assert maps[n, 0, row, 0].item() == pytest.approx(1 - max(middle), rel=1e-9)


def test_confidences_of_the_feature_map_s_own_grid_stay_as_they_are():
    confidences = torch.rand(1, 3, 4, 2)
    assert torch.equal(confidence_maps(confidences, (4, 2))[:, 1:], confidences)


def test_gradients_pass_through_both_to_the_features():
    features = random(2, 3, 4, 2).requires_grad_()
    stripes = stripe_maps(3, (4, 2)).double().expand(2, -1, -1, -1)
    for maps in (stripes, confidence_maps(random(2, 3, 8, 4).abs(), (4, 2))):

        def pooled(values, maps=maps[:, 1:]):
            return weighted_average(AppearanceMap([values]), maps)

        assert torch.autograd.gradcheck(pooled, features)


def network_of(config, head: dict):
    entry = config.model("resnet50").model_dump(mode="json")
    fields = {name: entry[name] for name in Model.model_fields} | {"size": [64, 32]}
    fields["backbone"] = {"name": "regnetx_002", "weights": None, "levels": [2, 3]}
    fields["head"], fields["loss"] = head, fields["loss"] | {"attention_weight": 0.0}
    torch.manual_seed(0)
    return new_model(Model.model_validate_json(json.dumps(fields)), parts=4, identities=7).eval()


@pytest.mark.parametrize("head", [{"attention": "stripes", "stripes": 4}, {"attention": "labels"}])
def test_nothing_of_the_attention_is_learnt(config, head):
    network, confidences = network_of(config, head), torch.rand(2, 4, 16, 8)
    with torch.inference_mode():
        output = network(torch.randn(2, *IMAGES), confidences)
        features = network.backbone(torch.zeros(1, *IMAGES))
    assert not [name for name in network.state_dict() if "part_classifier" in name]
    assert output.attention_scores is None
    assert output.attention.shape == (2, 5, *features.grid)


def test_pcb_pools_stripes_of_the_backbone_s_features(config):
    network, images = network_of(config, {"attention": "stripes", "stripes": 4}), torch.randn(2, *IMAGES)
    with torch.inference_mode():
        found = network(images).embeddings
        bands = whole(network.backbone(images)).unflatten(2, (4, -1)).mean((3, 4)).transpose(1, 2)
    torch.testing.assert_close(found["parts"], bands)
    torch.testing.assert_close(found["concatenated"], bands.flatten(1))


def test_the_labels_attention_pools_the_backbone_s_features(config):
    network, images = network_of(config, {"attention": "labels"}), torch.randn(2, *IMAGES)
    confidences = torch.rand(2, 4, 8, 4)
    with torch.inference_mode():
        found, features = network(images, confidences), network.backbone(images)
    maps = confidence_maps(confidences, features.grid)
    torch.testing.assert_close(found.embeddings["parts"], weighted_average(features, maps[:, 1:]))
    strongest = maps[:, 1:].amax(1, keepdim=True)
    torch.testing.assert_close(found.embeddings["foreground"], weighted_average(features, strongest)[:, 0])
