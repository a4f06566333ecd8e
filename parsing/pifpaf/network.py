"""PifPaf: the only module that imports openpifpaf (AGPL-3.0), so that its licence stays inside the label stages.

A network takes images and gives composite fields [Kreiss et al., 2019]: 17 intensity fields (CIF), one a COCO
keypoint, and 19 association fields (CAF), one a connection of the skeleton. Of each field only the confidence makes
labels; the decoder, which joins keypoints to skeletons, needs all components.
"""

from dataclasses import dataclass

import numpy as np
import openpifpaf
import torch
from openpifpaf.decoder import CifCaf
from openpifpaf.network import basenetworks, heads, losses, model_migration, nets
from openpifpaf.network.basenetworks import InvertedResidualK  # noqa: F401 - its blocks, for parsing.pifpaf.inference
from openpifpaf.plugins.coco.constants import (
    COCO_KEYPOINTS,
    COCO_PERSON_SCORE_WEIGHTS,
    COCO_PERSON_SIGMAS,
    COCO_PERSON_SKELETON,
    COCO_UPRIGHT_POSE,
)
from torch import Tensor, nn

from artefacts.errors import UserError
from artefacts.imagenet import IMAGENET_COLOUR, IMAGENET_MEAN, IMAGENET_STD

CIF_COMPONENTS, CAF_COMPONENTS = 5, 8  # of CompositeField4: width, confidence, x, y, ... (openpifpaf 0.13, 0.14)
MULTIPLE = 16  # images are padded to a multiple of this, plus one
CONFIDENCE = 1  # index of the confidence among them; openpifpaf 0.12 had it at 0
VISIBLE_ONLY = 1  # encoders take keypoints whose visibility is above this: 2 = seen


@dataclass(frozen=True)
class Architecture:
    """A ShuffleNetV2K with composite field heads: blocks and channels of its stages, and the heads' upsampling."""

    repeats: tuple[int, int, int]
    channels: tuple[int, int, int, int, int]
    upsample: int


def head_metas(upsample: int) -> list:
    """CIF and CAF of a COCO person, 17 keypoints and 19 connections."""
    shared = {"keypoints": COCO_KEYPOINTS, "sigmas": COCO_PERSON_SIGMAS, "pose": COCO_UPRIGHT_POSE}
    cif = openpifpaf.headmeta.Cif(
        "cif", "cocokp", **shared, draw_skeleton=COCO_PERSON_SKELETON, score_weights=COCO_PERSON_SCORE_WEIGHTS
    )
    caf = openpifpaf.headmeta.Caf("caf", "cocokp", **shared, skeleton=COCO_PERSON_SKELETON)
    cif.upsample_stride = caf.upsample_stride = upsample
    return [cif, caf]


def build_network(architecture: Architecture) -> nn.Module:
    """A PifPaf network with random weights."""
    base = basenetworks.ShuffleNetV2K("shufflenetv2k", list(architecture.repeats), list(architecture.channels))
    fields = [heads.CompositeField4(meta, base.out_features) for meta in head_metas(architecture.upsample)]
    network = nets.Shell(base, fields)
    nets.model_defaults(network)
    return network


def migrate(network: nn.Module) -> nn.Module:
    """A released network, pickled by an earlier openpifpaf, brought up to the installed one."""
    model_migration.model_migration(network)
    return network


def network_stride(network: nn.Module) -> int:
    """Pixels between the centres of neighbouring cells; cell j lies on pixel stride * j."""
    return network.head_metas[0].stride


def prepare(images: Tensor) -> Tensor:
    """RGB images [N, 3, H, W] uint8 -> network input, padded in the middle to 16 k + 1 and normalised (ImageNet)."""
    height, width = images.shape[-2:]
    extra_height, extra_width = -(height - 1) % MULTIPLE, -(width - 1) % MULTIPLE
    top, left = extra_height // 2, extra_width // 2
    padded = torch.tensor(IMAGENET_COLOUR, dtype=torch.uint8, device=images.device).view(1, 3, 1, 1)
    padded = padded.repeat(len(images), 1, height + extra_height, width + extra_width)
    padded[:, :, top : top + height, left : left + width] = images
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1)
    return (padded.float() / 255 - mean) / std


def padding_offset(size: tuple[int, int]) -> tuple[int, int]:
    """(left, top) pixels that `prepare` puts before an image of `size` (height, width)."""
    height, width = size
    return (-(width - 1) % MULTIPLE) // 2, (-(height - 1) % MULTIPLE) // 2


def map_grid(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(h, w) cells of the maps of an image of `size` (height, width)."""
    height, width = (length + -(length - 1) % MULTIPLE for length in size)
    return (height - 1) // stride + 1, (width - 1) // stride + 1


@torch.inference_mode()
def fields(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Composite fields of RGB images [N, 3, H, W] uint8: CIF [N, 17, 5, h, w] and CAF [N, 19, 8, h, w].

    Raises UserError if the network's fields are not laid out as the confidence index expects: with another
    release's order the maps would silently be coordinates.
    """
    prepared = prepare(images).to(next(network.parameters()).dtype)
    cif, caf = (field.float() for field in network(prepared)[:2])
    if cif.shape[2] != CIF_COMPONENTS or caf.shape[2] != CAF_COMPONENTS:
        raise UserError(
            f"the PifPaf network gives {cif.shape[2]} and {caf.shape[2]} components a field instead of "
            f"{CIF_COMPONENTS} and {CAF_COMPONENTS}: use a checkpoint of openpifpaf 0.13 or 0.14"
        )
    return cif, caf


def confidences(cif: Tensor, caf: Tensor) -> Tensor:
    """The confidence maps [N, 36, h, w] in [0, 1]: 17 keypoints, then 19 connections."""
    maps = torch.cat([cif[:, :, CONFIDENCE], caf[:, :, CONFIDENCE]], 1)
    if not bool(((maps >= 0) & (maps <= 1)).all()):
        raise UserError("PifPaf confidences lie outside [0, 1]: the checkpoint's field layout is not CompositeField4")
    return maps


def decode(network: nn.Module, cif: Tensor, caf: Tensor) -> np.ndarray:
    """Skeletons of one image from its fields: [people, 17, 3] of x, y (pixels of the padded input), confidence.

    Sorted by score, best first; a keypoint that was not found has confidence 0. The decoder is a new one for each
    image (0.2 ms): openpifpaf's keeps a running offset, so that a used one rounds differently.
    """
    torch.ops.openpifpaf.set_quiet(True)
    cif_meta, caf_meta = network.head_metas[:2]
    people = sorted(CifCaf([cif_meta], [caf_meta])([cif, caf]), key=lambda person: -person.score)
    return np.stack([person.data for person in people]) if people else np.zeros((0, 17, 3), np.float32)


class Encoder:
    """openpifpaf's training targets of an image: what CIF and CAF should be where people stand."""

    def __init__(self, network: nn.Module) -> None:
        cif, caf = network.head_metas
        self._encoders = [
            openpifpaf.encoder.Cif(cif, v_threshold=VISIBLE_ONLY),
            openpifpaf.encoder.Caf(caf, v_threshold=VISIBLE_ONLY),
        ]

    def __call__(self, image: Tensor, keypoints: np.ndarray) -> list[Tensor]:
        """Targets for a padded image [3, H, W] in which people [P, 17, 3] (x, y, visibility) stand."""
        people = [_annotation(person) for person in keypoints if (person[:, 2] > VISIBLE_ONLY).any()]
        height, width = image.shape[-2:]
        meta = {"valid_area": (0.0, 0.0, width - 1.0, height - 1.0)}
        return [encode(image, people, meta) for encode in self._encoders]


def _annotation(keypoints: np.ndarray) -> dict:
    seen = keypoints[keypoints[:, 2] > 0, :2]
    low, high = seen.min(0), seen.max(0)
    return {"keypoints": keypoints.astype(float), "bbox": np.concatenate([low, high - low]), "iscrowd": False}


def make_loss(network: nn.Module) -> nn.Module:
    """openpifpaf's multi-head loss; called with the heads' outputs and the encoder's targets."""
    return losses.Factory().factory(network.head_metas)
