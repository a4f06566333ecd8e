"""What people cover of an image, from torchvision's Mask R-CNN (the authors filtered PifPaf's maps by such masks).

Optional: labels need no silhouettes. The weights are torchvision's file of `maskrcnn_resnet50_fpn`, trained on COCO.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torchvision.models.detection import maskrcnn_resnet50_fpn

from artefacts.errors import UserError
from artefacts.files import sha256_of
from parsing.config import MaskNetwork
from parsing.grids import BLOCK
from parsing.store import SKELETONS

PERSON = 1  # COCO's class
SURE = 0.5  # score of a person that counts


def load_mask_network(config: MaskNetwork, device: torch.device) -> nn.Module:
    """Mask R-CNN in eval mode. Raises UserError if the file is missing, is another, or does not fit the network."""
    path = Path(config.weights)
    if not path.is_file():
        raise UserError(f"{path}: no such file; put it there, or change labels.silhouettes")
    if not sha256_of(path).startswith(config.sha256):
        raise UserError(
            f"{path}: its SHA-256 does not begin with {config.sha256}: it is another file; remove it, and get the one "
            "that labels.silhouettes.sha256 asks for (`downloads` says where), or change that key"
        )
    network = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=config.short_side, box_score_thresh=SURE
    )
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of many types: the file is anything
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: is not the weights of torchvision's maskrcnn_resnet50_fpn ({reason})") from None
    return network.eval().to(device)


@torch.inference_mode()
def silhouettes(network: nn.Module, images: Tensor) -> np.ndarray:
    """[N, 4, H / 4, W / 4] uint8 of `images` [N, 3, H, W] in 0..1: what the surest people cover of each label cell."""
    height, width = images.shape[2] // BLOCK, images.shape[3] // BLOCK
    found = np.zeros((len(images), SKELETONS, height, width), np.uint8)
    for place, people in enumerate(network(list(images))):
        masks = people["masks"][(people["labels"] == PERSON) & (people["scores"] >= SURE)][:SKELETONS]
        covered = (avg_pool2d(masks, BLOCK)[:, 0] * 255).round().byte().cpu().numpy()
        found[place, : len(covered)] = covered
    return found
