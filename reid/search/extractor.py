"""`reid.load`: a trained model, from a pack, that embeds images of any kind."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from artefacts.processor import best_device
from reid.checkpoints.pack import read_pack
from reid.checkpoints.pack_format import Pack
from reid.embeddings.extract import compared_features
from reid.embeddings.inference import folded
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID
from reid.search.features import Features, joined
from reid.search.images import Images, batches


def load(name: str | Path, device: str | torch.device | None = None) -> "Extractor":
    """The model of a pack: its folder, one of its files, or `owner/name` of a repository on the Hugging Face hub.

    `device`: torch's name of one; None takes a GPU (CUDA, MPS, XPU) where there is one. Raises UserError if there is no
    such pack.
    """
    return Extractor(*read_pack(name), device)


class Extractor:
    """A trained network on a device. `parts` are the names of its K parts, `pack` all that it is told."""

    def __init__(self, network: BPBReID, pack: Pack, device: str | torch.device | None = None) -> None:
        self.device = torch.device(device) if device else best_device()
        network.backbone.network = folded(network.backbone.network.eval())
        self.network = network.eval().to(self.device, memory_format=torch.channels_last)
        self.pack, self.parts, self.size = pack, list(pack.parts), pack.preprocessing.size

    def embed(self, images: Images, bgr: bool = False, batch_size: int = 64) -> Features:
        """Features of paths, PIL images, arrays [H, W, 3] uint8, or one tensor [N, 3, H, W]; any number of them.

        Arrays and tensors are RGB, or BGR as OpenCV reads them with `bgr=True`. Images that cannot be read are listed
        in `failed` and are not fatal. Raises TypeError for what is no image at all.
        """
        read = batches(images, self.size, bgr, batch_size)
        return joined([self._nothing(), *(self._features(*batch) for batch in read)])

    @torch.inference_mode()
    def _features(self, names: list[str], pixels: Tensor, failed: dict[str, str]) -> Features:
        if not names:
            return self._nothing(failed)
        output = self.network(self.prepared(pixels))
        scores = output.attention[:, 1:].amax(dim=(2, 3))
        visible = visible_parts(output.attention, self.pack.visibility) | (self.pack.head.attention == "stripes")
        holistic = torch.ones(len(names), 2, device=self.device)
        return Features(
            pack=self.pack,
            names=names,
            embeddings=compared_features(output, self.pack.use_bnneck_for).float().cpu().numpy(),
            visible=torch.cat([holistic.bool(), visible], dim=1).cpu().numpy(),
            scores=torch.cat([holistic, scores], dim=1).float().cpu().numpy(),
            attention=(output.attention * 255).round().byte().cpu().numpy(),
            failed=failed,
        )

    def prepared(self, pixels: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] uint8 as the network's normalised input on its device."""
        told = self.pack.preprocessing
        mean, std = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in (told.mean, told.std))
        images = (pixels.to(self.device).float() - 255 * mean) / (255 * std)
        return images.contiguous(memory_format=torch.channels_last)

    @cached_property
    @torch.inference_mode()
    def _cells(self) -> tuple[int, int]:
        """Height and width of the attention maps."""
        return tuple(self.network(torch.zeros(1, 3, *self.size, device=self.device)).attention.shape[-2:])

    def _nothing(self, failed: dict[str, str] | None = None) -> Features:
        """Features of no image, with the shapes that images would give."""
        parts = len(self.parts)
        return Features(
            pack=self.pack,
            names=[],
            embeddings=np.zeros((0, parts + 2, self.pack.channels), np.float32),
            visible=np.zeros((0, parts + 2), bool),
            scores=np.zeros((0, parts + 2), np.float32),
            attention=np.zeros((0, parts + 1, *self._cells), np.uint8),
            failed=failed or {},
        )
