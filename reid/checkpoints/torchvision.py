"""Weights under torchvision's parameter names, brought under timm's."""

import timm
import torch
import torchvision
from torch import Tensor, nn

from artefacts.errors import UserError

CLASSIFIER = "classifier."  # what torchvision's networks with `features` have behind them


def timm_weights(name: str, twin: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """State dict of timm's feature extractor `name` from weights of the `features` of torchvision's network `twin`.

    Both libraries list these layers in the order in which images pass them, and have done so under changing names, so
    parameters are matched by their order. That this is right is not taken on trust: both networks must give the same
    last feature map for the same image. Raises UserError where they do not, or where the weights do not fit.
    """
    features = torchvision.models.get_model(twin, weights=None).features.eval()
    _refuse_left_over(list(weights)[len(features.state_dict()) :], twin)
    network = timm.create_model(name, pretrained=False, features_only=True).eval()
    try:
        features.load_state_dict(_in_order(features, weights))
        network.load_state_dict(_in_order(network, weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"these are no weights of torchvision's {twin}: {reason}") from None
    if not _same(network, features):
        raise UserError(f"timm's {name} and torchvision's {twin} are different networks")
    return network.state_dict()


def _refuse_left_over(names: list[str], twin: str) -> None:
    """Raises UserError, which names them, unless all that is behind the features is a classifier."""
    others = [name for name in names if not name.startswith(CLASSIFIER)]
    if others:
        raise UserError(
            f"these are no weights of torchvision's {twin}: behind its features they have {others[0]!r} and "
            f"{len(others) - 1} more"
        )


def _in_order(network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(zip(network.state_dict(), weights.values(), strict=False))


@torch.inference_mode()
def _same(network: nn.Module, features: nn.Sequential) -> bool:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    last = network(image)[-1]
    passed = [image]
    for layer in features:
        passed.append(layer(passed[-1]))
    return any(map_.shape == last.shape and torch.allclose(map_, last, atol=1e-4) for map_ in passed)
