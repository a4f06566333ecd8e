"""The network: backbones under one contract, embeddings, heads, saving and loading."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from artefacts.errors import UserError
from artefacts.weights import write_weights
from reid.checkpoints.store import as_built, load_model, new_model, save_model
from reid.config.root import BackboneConfig, Model
from reid.model.backbone import build_backbone
from tests.appearance import whole

SMALL = {"name": "regnetx_002", "weights": None, "levels": [2, 3, 4]}


@pytest.fixture
def settings(config) -> Model:
    entry = config.model("small").model_dump(mode="json")
    fields = {name: entry[name] for name in Model.model_fields} | {"backbone": SMALL, "size": [64, 32]}
    return Model.model_validate_json(json.dumps(fields))


def with_backbone(settings: Model, **changes) -> Model:
    backbone = BackboneConfig.model_validate_json(json.dumps(SMALL | changes))
    return settings.model_copy(update={"backbone": backbone})


@pytest.mark.parametrize(
    ("name", "levels", "last_stride", "channels", "stride"),
    [
        ("regnetx_002", (2, 3, 4), None, 576, 8),
        ("resnet18", (-1,), 1, 512, 16),
        ("resnet18", (3,), None, 256, 16),
        ("resnet10t", (-1,), 1, 512, 16),
        pytest.param("resnet50", (-1,), 1, 2048, 16, marks=pytest.mark.slow),
        pytest.param("hrnet_w32", (1, 2, 3, 4), None, 1920, 4, marks=pytest.mark.slow),
        pytest.param("hrnet_w18_small", (1, 2, 3, 4), None, 1920, 4, marks=pytest.mark.slow),
    ],
)
def test_a_backbone_keeps_its_contract(name, levels, last_stride, channels, stride):
    backbone = build_backbone(name, levels, last_stride, pretrained=False).eval()
    with torch.inference_mode():
        features = whole(backbone(torch.zeros(2, 3, 128, 64)))
    assert features.shape == (2, channels, 128 // stride, 64 // stride)
    assert (backbone.channels, backbone.stride) == (channels, stride)


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("convnext_atto", (2, 3)),
        ("vit_tiny_patch16_224", (-1,)),
        pytest.param("swin_tiny_patch4_window7_224", (2, 3), marks=pytest.mark.slow),
    ],
)
def test_any_network_of_timm_s_trains_by_its_name(settings, name, levels):
    entry = BackboneConfig.model_validate_json(json.dumps({"name": name, "levels": levels}))
    network = new_model(settings.model_copy(update={"backbone": entry, "size": (64, 32)}), parts=5, identities=7)
    output = network(torch.randn(4, 3, 64, 32))
    assert output.attention.shape[1:] == (6, 64 // network.backbone.stride, 32 // network.backbone.stride)
    sum(scores.square().mean() for scores in output.identity_scores.values()).backward()
    assert all(torch.isfinite(one.grad).all() for one in network.backbone.parameters() if one.grad is not None)
    assert sum(one.grad is not None for one in network.backbone.parameters()) > 20


@pytest.mark.slow
def test_imagenet_weights_without_a_network_say_what_else_can_be_done(tmp_path):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    entry = '{"name": "resnet18", "weights": "imagenet"}'
    program = f"""
from reid.checkpoints.backbones import BackboneConfig, weighted_backbone
weighted_backbone(BackboneConfig.model_validate_json({entry!r}), (64, 32))
"""
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "cannot build resnet18 with weights imagenet" in result.stderr
    assert "set weights to the path of a file of weights, or to null to train from scratch" in result.stderr


def test_taking_the_last_stride_out_brings_no_dilation():
    backbone = build_backbone("resnet18", (-1,), 1, pretrained=False)
    convolutions = [module for module in backbone.modules() if isinstance(module, torch.nn.Conv2d)]
    assert {module.dilation for module in convolutions} == {(1, 1)}


def test_the_k_plus_3_embeddings(settings):
    network = new_model(settings, parts=5, identities=7)
    output = network(torch.randn(4, 3, 64, 32))
    channels = network.backbone.channels
    shapes = {name: tuple(embedding.shape) for name, embedding in output.embeddings.items()}
    assert shapes == {
        "global": (4, channels), "foreground": (4, channels),
        "concatenated": (4, 5 * channels), "parts": (4, 5, channels),
    }  # fmt: skip
    assert {name: tuple(scores.shape) for name, scores in output.identity_scores.items()} == dict.fromkeys(
        settings.loss.identity, (4, 7)
    )
    assert output.attention.shape == (4, 6, 8, 4)
    assert torch.allclose(output.attention.sum(1), torch.ones(4, 8, 4))


def test_parts_under_the_identity_loss_have_a_head_each(settings):
    loss = settings.loss.model_copy(update={"identity": ["parts"]})
    network = new_model(settings.model_copy(update={"loss": loss}), parts=5, identities=7)
    output = network(torch.randn(4, 3, 64, 32))
    assert output.identity_scores["parts"].shape == (4, 5, 7)
    assert len({id(head.classifier.weight) for head in network.necks["parts"]}) == 5


def test_the_neck_never_shifts_and_the_classifier_has_no_bias(settings):
    head = new_model(settings, parts=5, identities=7).necks["global"]
    assert not head.norm.bias.requires_grad
    assert head.classifier.bias is None


def test_a_saved_model_loads_as_it_was(settings, tmp_path):
    network = new_model(settings, parts=5, identities=7).eval()
    path = tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), settings, list("abcde"), 7, {"schema": 1})
    loaded = load_model(path)
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        expected, found = network(images), loaded.network(images)
    assert torch.equal(expected.embeddings["parts"], found.embeddings["parts"])
    assert (loaded.settings, loaded.part_names, loaded.provenance) == (settings, list("abcde"), {"schema": 1})


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_a_file_that_is_no_trained_model_is_refused(content, tmp_path):
    path = tmp_path / "model.safetensors"
    if content is None:
        save_file({"weight": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: not a trained model"):
        load_model(path)


def test_a_model_of_an_earlier_configuration_names_the_key_that_changed(settings, tmp_path):
    path = tmp_path / "model.safetensors"
    earlier = settings.model_dump(mode="json")
    earlier["loss"]["attention_form"] = "paper"
    write_weights(path, {"weight": torch.zeros(1)}, {"config": earlier})
    with pytest.raises(UserError, match=r"\(loss\.attention_form: 'paper' is now called 'sum'; .*\); train it again"):
        load_model(path)


def test_a_model_whose_weights_do_not_fit_is_refused(settings, tmp_path):
    network = new_model(settings, parts=5, identities=7)
    path = tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), settings, list("abcd"), 7, {})
    with pytest.raises(UserError, match="do not fit"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "last_stride", "kept"),
    [("resnet10t", "auto", 1), ("convnext_atto", "auto", None), ("resnet10t", None, None)],
)
def test_a_saved_model_says_what_became_of_its_last_stride(settings, name, last_stride, kept):
    settings = with_backbone(settings, name=name, levels=[-1], last_stride=last_stride)
    built = as_built(settings, new_model(settings, parts=5, identities=7))
    assert built.backbone.last_stride == kept
    assert with_backbone(built, name=name, levels=[-1], last_stride=last_stride) == settings
