"""Feature extractors of timm behind a contract of two attributes: `channels` and `stride`."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.model.appearance import AppearanceMap
from reid.model.extractor import Grid, channels_first, create_extractor, grids_of, submodule_of
from reid.model.ibn import put_instance_norm
from reid.model.last_stride import restore, take_stride_out
from reid.model.non_local import put_non_local_blocks
from reid.model.patches import put_patches
from reid.model.pointwise import take_cells_first
from reid.model.semantics import put_merging_bias


class Backbone(nn.Module):
    """Images to an appearance map G: [N, 3, H, W] -> [N, channels, H / stride, W / stride].

    Where the network gives several levels, the coarser are brought to the size of the finest by bilinear
    interpolation and all are concatenated, as HRNet's branches are (4 + 8 + 16 + 32 -> stride 4, 1920 channels).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.channels = sum(network.feature_info.channels())
        self.stride = network.feature_info.reduction()[0]
        self.last_stride: int | None = None  # 1 where it was taken out

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> AppearanceMap:
        return AppearanceMap(channels_first(self.network, self.network(images)))


def build_backbone(
    name: str,
    levels: tuple[int, ...],
    last_stride: Literal[1, 2, "auto"] | None,
    pretrained: bool,
    ibn: str | None = None,
    non_local: bool = False,
    size: tuple[int, int] = (256, 128),
    patch_stride: int | None = None,
    stem: str | None = None,
    semantic_weight: float | None = None,
) -> Backbone:
    """A timm network as feature extractor of images of `size` (height, width) in pixels.

    `levels` are timm's out_indices, finest first (-1 = the last). `last_stride` 1 takes the stride out of the last of
    them, as Bag of Tricks does with a ResNet's last stage; "auto" does so where the network has one to take out, which
    leaves ConvNeXt, transformers and others as they are. `pretrained` loads timm's ImageNet weights. `ibn` "a" puts
    instance normalisation into a ResNet, `non_local` non-local blocks. `patch_stride` (pixels) lets a ViT's
    patches overlap, `stem` "ics" puts convolutions before them; a
    `semantic_weight` gives a Swin's patch mergings a bias. Raises UserError where that cannot be.
    """
    network = create_extractor(name, levels, pretrained, size)
    if ibn:
        put_instance_norm(network)
    if non_local:
        put_non_local_blocks(network)
    if semantic_weight is not None:
        put_merging_bias(network)
    stride = put_patches(network, patch_stride, stem == "ics") if patch_stride or stem else None
    backbone = Backbone(network)
    backbone.stride = stride or backbone.stride
    grids = grids_of(name, network, size)
    if last_stride in (1, "auto"):
        taken = _last_stride_taken(name, network, size, grids[-1])
        if last_stride == 1 and not taken:
            raise UserError(
                f"models.*.backbone.last_stride: the last level of {name} has no stride to take out; set auto or null"
            )
        backbone.last_stride = 1 if taken else None
        if taken and len(levels) == 1:
            backbone.stride //= 2
    take_cells_first(network)
    return backbone


def _last_stride_taken(name: str, network: nn.Module, size: tuple[int, int], before: Grid) -> bool:
    """Whether the stride of the last level, of which images of `size` have `before` cells, could be taken out."""
    level = submodule_of(network, network.feature_info.module_name()[-1])
    changes = take_stride_out(level) if level is not None else []
    if not changes:
        return False
    try:
        after = grids_of(name, network, size)[-1]
    except UserError:  # what follows expects the coarser maps
        after = before
    doubled = all(new in (2 * old - 1, 2 * old) for old, new in zip(before, after, strict=True))
    if not doubled:
        restore(changes)
    return doubled
