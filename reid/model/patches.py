"""Patches of a vision transformer as networks for people cut them: overlapping (TransReID), or behind convolutions."""

from jaxtyping import Float
from timm.layers import PatchEmbed, resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.model.ibn import InstanceBatchNorm

WIDTH = 64  # channels of the stem
STEM_STRIDE = 2


class PersonPatches(nn.Module):
    """Images to patches: [N, 3, H, W] -> [N, rows x columns, C], in place of timm's PatchEmbed.

    `stride` in pixels between neighbouring patches. `stem` puts the three convolutions of TransReID-SSL's weights (ICS)
    before them, of stride 2 in all; names and shapes are those of its files.
    """

    def __init__(self, plain: PatchEmbed, stride: int, stem: bool) -> None:
        super().__init__()
        self.patch_size, self.img_size, self.stride = plain.patch_size, plain.img_size, stride
        self.grid_size = self.dynamic_feat_size(plain.img_size)
        if stem:
            self.conv = _stem()
            kernel = tuple(side // STEM_STRIDE for side in plain.patch_size)
            self.proj = nn.Conv2d(WIDTH, plain.proj.out_channels, kernel, stride // STEM_STRIDE)
        else:
            self.conv, self.proj = nn.Identity(), plain.proj
            self.proj.stride = (stride, stride)

    def dynamic_feat_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of patches of images of `size` (height, width); timm's networks ask for it by this name."""
        return tuple((pixels - patch) // self.stride + 1 for pixels, patch in zip(size, self.patch_size, strict=True))

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N n C"]:
        return self.proj(self.conv(images)).flatten(2).transpose(1, 2)


def _stem() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, WIDTH, 7, STEM_STRIDE, padding=3, bias=False),
        InstanceBatchNorm(WIDTH),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
        InstanceBatchNorm(WIDTH),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
    )


def put_patches(network: nn.Module, stride: int | None, stem: bool) -> int:
    """Replace the patches of an extractor of timm's ViT, in place; returns their stride in pixels.

    Its position embeddings are resized to their grid. Raises UserError if it is no such network, or the stride is too
    large for its patches.
    """
    vit = getattr(network, "model", None)
    if not isinstance(vit, VisionTransformer) or type(vit.patch_embed) is not PatchEmbed:
        key = "stem" if stem else "patch_stride"
        raise UserError(f"models.*.backbone.{key}: only a ViT has it; set it to null, or name a ViT")
    plain = vit.patch_embed
    stride = stride or plain.patch_size[0]
    if stride > min(plain.patch_size):
        raise UserError(
            f"models.*.backbone.patch_stride: {stride} pixels leave gaps between patches of {plain.patch_size[0]}; "
            "set it to less"
        )
    vit.patch_embed = PersonPatches(plain, stride, stem)
    prefix = vit.pos_embed.shape[1] - plain.num_patches
    resized = resample_abs_pos_embed(vit.pos_embed.data, vit.patch_embed.grid_size, plain.grid_size, prefix)
    vit.pos_embed = nn.Parameter(resized)
    return stride
