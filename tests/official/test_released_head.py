"""The released code's head: part classifier, foreground pooling and reduction, each against loops."""

import json
import math

import pytest
import torch

from reid.checkpoints.store import load_model, new_model, save_model
from reid.config.root import Model
from reid.model.appearance import AppearanceMap
from reid.model.attention import NormalisedPartClassifier, attention_maps, foreground_map
from reid.model.bpbreid import pool_embeddings
from reid.model.pooling import Reduction
from tests.appearance import whole

PARTS, IDENTITIES, REDUCED = 3, 7, 6


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@pytest.fixture
def settings(config) -> Model:
    """The released code's model on a small backbone, reduced to few channels."""
    entry = config.model("resnet50_official").model_dump(mode="json")
    fields = {name: entry[name] for name in Model.model_fields} | {"size": [64, 32]}
    fields["backbone"] = {"name": "regnetx_002", "weights": None, "levels": [2, 3]}
    fields["head"]["reduction"] = REDUCED
    return Model.model_validate_json(json.dumps(fields))


def standardised(values):
    """Values with their mean and (biased) deviation taken out, as batch normalisation begins."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return [(value - mean) / math.sqrt(variance + 1e-5) for value in values]


def test_the_foreground_is_the_mean_over_all_cells_of_mask_x_feature():
    features, attention = random(2, 3, 4, 2), attention_maps(random(2, PARTS + 1, 4, 2, seed=2))
    found = pool_embeddings(AppearanceMap([features]), attention, "mean")["foreground"]
    for n in range(2):
        for c in range(3):
            total = 0.0
            for row in range(4):
                for column in range(2):
                    mask = max(attention[n, k, row, column].item() for k in range(1, PARTS + 1))
                    total += mask * features[n, c, row, column].item()
            assert found[n, c].item() == pytest.approx(total / 8, rel=1e-9)


def test_the_mean_shrinks_with_the_mask_while_the_parts_do_not():
    features, maps = AppearanceMap([random(1, 3, 4, 2)]), random(1, 2, 4, 2, seed=2).abs()
    whole, half = (pool_embeddings(features, maps / share, "mean") for share in (1, 2))
    assert torch.allclose(half["foreground"], whole["foreground"] / 2)
    assert torch.allclose(half["parts"], whole["parts"])


def test_parts_of_hardly_any_mass_are_divided_by_a_millionth():
    features = torch.full((1, 1, 2, 2), 5.0, dtype=torch.double)
    attention = torch.full((1, 2, 2, 2), 1e-8, dtype=torch.double)
    assert pool_embeddings(AppearanceMap([features]), attention, "mean")["parts"].item() == pytest.approx(
        5 * 4e-8 / 1e-6
    )


def test_reduction_is_linear_normalisation_and_relu():
    pooled, layer = random(5, 4), Reduction(4, 2).double()
    found = layer(pooled)
    for d in range(2):
        weights, bias = layer.linear.weight[d], layer.linear.bias[d]
        lines = [sum(weights[c] * pooled[n, c] for c in range(4)).item() + bias.item() for n in range(5)]
        assert found[:, d].tolist() == pytest.approx([max(value, 0) for value in standardised(lines)], rel=1e-6)
    assert (found == 0).any()


def test_all_parts_share_a_layer_and_its_statistics():
    pooled, layer = random(5, PARTS, 4), Reduction(4, 2).double()
    rows = torch.stack([pooled[n, k] for n in range(5) for k in range(PARTS)])
    expected = layer(rows)
    found = layer(pooled)
    for n in range(5):
        for k in range(PARTS):
            assert torch.allclose(found[n, k], expected[n * PARTS + k])


def test_the_classifier_normalises_before_it_multiplies():
    features, classifier = random(3, 4, 3, 2), NormalisedPartClassifier(4, PARTS).double()
    torch.nn.init.normal_(classifier.weight)
    torch.nn.init.normal_(classifier.bias)
    cells = [(n, row, column) for n in range(3) for row in range(3) for column in range(2)]
    normal = [standardised([features[n, c, row, column].item() for n, row, column in cells]) for c in range(4)]
    scores = classifier(AppearanceMap([features]))
    for place, (n, row, column) in enumerate(cells):
        for k in range(PARTS + 1):
            product = sum(classifier.weight[k, c].item() * normal[c][place] for c in range(4))
            assert scores[n, k, row, column].item() == pytest.approx(product + classifier.bias[k].item(), rel=1e-6)


def test_the_classifier_begins_at_a_thousandth():
    classifier = NormalisedPartClassifier(2000, 8)
    weight, bias = classifier.weight, classifier.bias
    assert weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert weight.mean().item() == pytest.approx(0, abs=5e-5)
    assert not bias.any()


def test_embeddings_have_the_reduced_width(settings):
    network = new_model(settings, PARTS, IDENTITIES)
    output = network(torch.randn(4, 3, 64, 32))
    shapes = {name: tuple(embedding.shape) for name, embedding in output.embeddings.items()}
    holistic = dict.fromkeys(("global", "foreground"), (4, REDUCED))
    assert shapes == holistic | {"parts": (4, PARTS, REDUCED), "concatenated": (4, PARTS * REDUCED)}
    assert {tuple(scores.shape) for scores in output.identity_scores.values()} == {(4, IDENTITIES)}
    assert torch.equal(output.embeddings["concatenated"], output.embeddings["parts"].flatten(1))


def test_global_and_foreground_have_layers_of_their_own_and_parts_one(settings):
    network = new_model(settings, PARTS, IDENTITIES)
    assert set(network.reductions) == {"global", "foreground", "parts"}
    assert len({id(layer.linear.weight) for layer in network.reductions.values()}) == 3
    assert network.reductions["parts"].linear.weight.shape == (REDUCED, network.backbone.channels)


def test_the_foreground_mask_is_the_paper_s(settings):
    network = new_model(settings, PARTS, IDENTITIES).eval()
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        output, features = network(images), whole(network.backbone(images))
        mean = (features * foreground_map(output.attention)[:, None]).mean((2, 3))
        expected = network.reductions["foreground"](mean)
    assert torch.allclose(output.embeddings["foreground"], expected, atol=1e-5)


def test_it_is_saved_and_loaded_whole(settings, tmp_path):
    network, path = new_model(settings, PARTS, IDENTITIES).eval(), tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), settings, list("abc"), IDENTITIES, {})
    loaded, images = load_model(path), torch.randn(2, 3, 64, 32)
    assert loaded.settings.head == settings.head
    with torch.inference_mode():
        assert torch.equal(network(images).necked["foreground"], loaded.network(images).necked["foreground"])


def test_the_paper_s_head_has_none_of_it(config):
    entry = config.model("small").model_dump(mode="json")
    del entry["head"]  # as in files of models trained before there was a choice
    fields = {name: entry[name] for name in Model.model_fields if name in entry}
    fields |= {"backbone": {"name": "regnetx_002", "weights": None, "levels": [2, 3]}}
    names = new_model(Model.model_validate_json(json.dumps(fields)), PARTS, IDENTITIES).state_dict()
    assert "part_classifier.weight" in names
    assert not [name for name in names if name.startswith(("reductions", "part_classifier.bias"))]
