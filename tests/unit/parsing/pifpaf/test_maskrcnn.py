"""Silhouettes of people from Mask R-CNN: what is kept of its detections, and whose weights it takes."""

import hashlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import maskrcnn_resnet50_fpn

from artefacts.errors import UserError
from parsing.config import MaskNetwork
from parsing.pifpaf.maskrcnn import load_mask_network, silhouettes
from parsing.store import FieldFile, LabelFile
from tests.labelling import FIVE, LABELS, SIZE, find, noise_image, stage, write_manifest
from tests.pifpaf import write_checkpoint


class Detector(nn.Module):
    """Finds in each image a left half, a dog, a right half and a doubtful person."""

    def forward(self, images: list[Tensor]) -> list[dict]:
        masks = torch.zeros(4, 1, *SIZE)
        masks[0, :, :, :16], masks[1], masks[2, :, :, 16:], masks[3] = 1, 1, 0.5, 1
        found = {"masks": masks, "labels": torch.tensor([1, 18, 1, 1]), "scores": torch.tensor([0.9, 0.9, 0.7, 0.4])}
        return [found for _ in images]


def test_sure_people_are_kept_in_label_cells():
    found = silhouettes(Detector(), torch.zeros(3, 3, *SIZE))
    assert (found.shape, found.dtype) == ((3, 4, 16, 8), np.uint8)
    assert (found[:, 0, :, :4] == 255).all()
    assert not found[:, 0, :, 4:].any()
    assert (found[:, 1, :, 4:] == 128).all()
    assert not found[:, 2:].any()


@pytest.mark.parametrize("detections", [0, 9])
def test_nobody_and_more_people_than_are_kept(detections):
    masks = torch.rand(detections, 1, *SIZE)
    found = {"masks": masks, "labels": torch.ones(detections, dtype=int), "scores": torch.ones(detections)}
    kept = silhouettes(lambda images: [found for _ in images], torch.zeros(1, 3, *SIZE))
    assert kept.any((2, 3)).sum() == min(detections, 4)


def test_labels_keep_to_the_silhouette(tmp_path, monkeypatch):
    monkeypatch.setattr("parsing.pifpaf.extraction.load_mask_network", lambda config, device: Detector())
    (tmp_path / "images").mkdir()
    for seed in range(3):
        noise_image(seed).save(tmp_path / "images" / f"{seed}.png")
    write_manifest(tmp_path / "images", tmp_path / "manifest.csv")
    write_checkpoint(tmp_path / "net.safetensors")
    network = {"weights": "mask.pth", "sha256": "0" * 8, "short_side": 64}
    assert find(tmp_path, silhouettes=network) == 0
    fields = FieldFile(tmp_path / "fields.h5")
    assert fields.silhouettes("1.png").shape == (4, 16, 8)
    config = {"scheme": FIVE, "scheme_name": "five", "labels": LABELS | {"threshold": 0.01}}
    assert stage("labels", config=config, fields=fields.path, labels=tmp_path / "labels.h5") == 0
    labels = LabelFile(tmp_path / "labels.h5")
    for key in labels.keys:
        assert not labels.confidences(key)[..., 4:].any()
        assert labels.confidences(key)[..., :4].any()
    assert find(tmp_path, "without.h5", known="fields.h5") == 0
    assert FieldFile(tmp_path / "without.h5").silhouettes("1.png") is None


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "mask.pth"
    torch.save({"backbone.body.conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    return path


def entry(path, digest: str | None = None) -> MaskNetwork:
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    return MaskNetwork(weights=str(path), sha256=digest, short_side=64)


def test_other_weights_are_refused(weights):
    with pytest.raises(UserError, match=r"mask\.pth: its SHA-256 does not begin with 0{8}: it is another file; remove"):
        load_mask_network(entry(weights, "0" * 8), torch.device("cpu"))
    with pytest.raises(UserError, match=r"mask\.pth: is not the weights of torchvision's maskrcnn_resnet50_fpn"):
        load_mask_network(entry(weights), torch.device("cpu"))
    found = entry(weights)
    weights.unlink()
    with pytest.raises(UserError, match=r"mask\.pth: no such file; put it there"):
        load_mask_network(found, torch.device("cpu"))


@pytest.mark.slow
def test_weights_of_torchvision_s_layout_are_read_and_find_silhouettes(tmp_path):
    torch.manual_seed(0)
    network = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    torch.save(network.state_dict(), tmp_path / "mask.pth")
    loaded = load_mask_network(entry(tmp_path / "mask.pth"), torch.device("cpu"))
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert silhouettes(loaded, torch.rand(2, 3, *SIZE)).shape == (2, 4, 16, 8)
