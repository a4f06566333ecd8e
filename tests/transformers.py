"""Small transformers of timm with random weights, and files that hold such weights."""

import timm
import torch
from torch import Tensor, nn

from reid.checkpoints.backbones import weighted_backbone
from reid.config.root import BackboneConfig

SIZE = (64, 32)
SWIN = {"embed_dim": 4, "depths": (1, 2, 1, 1), "num_heads": (1, 2, 2, 4)}
VIT = {"embed_dim": 8, "depth": 3, "num_heads": 2}


def small_swin() -> nn.Module:
    return timm.create_model("swin_tiny_patch4_window7_224", img_size=(224, 224), num_classes=0, **SWIN)


def small_vit() -> nn.Module:
    return timm.create_model("vit_small_patch16_224", img_size=SIZE, num_classes=0, **VIT)


def random_weights(network: nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {name: torch.randn(tensor.shape, generator=generator) / 4 for name, tensor in network.state_dict().items()}


def loaded(path, name: str, content: object, monkeypatch, small: dict, size=SIZE, **keys):
    """The backbone of timm's network `name`, made `small`, with the weights of a file of `content`."""
    torch.save(content, path)
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **given: create(name, **(small | given)))
    return weighted_backbone(BackboneConfig(name=name, weights=str(path), **keys), size).eval()


def vit_of(path, content: object, monkeypatch, **keys):
    return loaded(path, "vit_small_patch16_224", content, monkeypatch, VIT, **keys)
