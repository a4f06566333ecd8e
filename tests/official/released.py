"""The released network, spelled out from the names of its parameters: evaluation only, one step after another.

It knows nothing of our code. Each parameter is declared where it is used: asked for the first time, it is drawn at
random, and the names and shapes that have been asked for make up the checkpoint.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, linear, max_pool2d

BACKBONE = "backbone_appearance_feature_extractor"


class Parameters(dict):
    """Random parameters by name, drawn when they are first asked for."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, name: str, *shape: int, scale: float = 1.0) -> Tensor:
        if name not in self:
            self[name] = scale * torch.randn(*shape, generator=self.generator)
        return self[name]

    def positive(self, name: str, *shape: int, scale: float = 1.0) -> Tensor:
        if name not in self:
            self[name] = scale * (0.5 + torch.rand(*shape, generator=self.generator))
        return self[name]

    def convolution(self, name: str, x: Tensor, channels: int, size: int, stride: int = 1) -> Tensor:
        fan = x.shape[1] * size**2
        weight = self.normal(f"{name}.weight", channels, x.shape[1], size, size, scale=(1.5 / fan) ** 0.5)
        return conv2d(x, weight, stride=stride, padding=size // 2)

    def norm(self, name: str, x: Tensor, gain: float = 1.0) -> Tensor:
        """Batch normalisation by the running statistics; `gain` keeps sums of many branches from growing."""
        channels, shape = x.shape[1], (-1,) + (1,) * (x.dim() - 2)
        mean = self.normal(f"{name}.running_mean", channels, scale=0.1)
        variance = self.positive(f"{name}.running_var", channels)
        weight, bias = (
            self.positive(f"{name}.weight", channels, scale=gain),
            self.normal(f"{name}.bias", channels, scale=0.1),
        )
        self.setdefault(f"{name}.num_batches_tracked", torch.tensor(7))
        scaled = (x - mean.view(shape)) / (variance.view(shape) + 1e-5).sqrt()
        return scaled * weight.view(shape) + bias.view(shape)

    def linear(self, name: str, x: Tensor, width: int, bias: bool) -> Tensor:
        weight = self.normal(f"{name}.weight", width, x.shape[1], scale=x.shape[1] ** -0.5)
        return linear(x, weight, self.normal(f"{name}.bias", width, scale=0.1) if bias else None)


def bottleneck(p: Parameters, name: str, x: Tensor, width: int, stride: int = 1) -> Tensor:
    """1x1, 3x3 and 1x1 convolution to 4 x width channels, next to a shortcut."""
    y = p.norm(f"{name}.bn1", p.convolution(f"{name}.conv1", x, width, 1)).relu()
    y = p.norm(f"{name}.bn2", p.convolution(f"{name}.conv2", y, width, 3, stride)).relu()
    y = p.norm(f"{name}.bn3", p.convolution(f"{name}.conv3", y, 4 * width, 1), 0.2)
    if stride != 1 or x.shape[1] != 4 * width:
        x = p.norm(f"{name}.downsample.1", p.convolution(f"{name}.downsample.0", x, 4 * width, 1, stride))
    return (x + y).relu()


def basic(p: Parameters, name: str, x: Tensor) -> Tensor:
    """Two 3x3 convolutions next to a shortcut."""
    y = p.norm(f"{name}.bn1", p.convolution(f"{name}.conv1", x, x.shape[1], 3)).relu()
    return (x + p.norm(f"{name}.bn2", p.convolution(f"{name}.conv2", y, x.shape[1], 3), 0.2)).relu()


def resnet50(p: Parameters, x: Tensor) -> Tensor:
    """Appearance map [N, 2048, H / 16, W / 16]: the last stage keeps its resolution."""
    x = p.norm(f"{BACKBONE}.bn1", p.convolution(f"{BACKBONE}.conv1", x, 64, 7, 2)).relu()
    x = max_pool2d(x, 3, 2, 1)
    for layer, width, blocks, stride in ((1, 64, 3, 1), (2, 128, 4, 2), (3, 256, 6, 2), (4, 512, 3, 1)):
        for block in range(blocks):
            x = bottleneck(p, f"{BACKBONE}.layer{layer}.{block}", x, width, stride if block == 0 else 1)
    p.normal(f"{BACKBONE}.classifier.weight", 9, 2048)
    p.normal(f"{BACKBONE}.classifier.bias", 9)
    return x


def hrnet32(p: Parameters, x: Tensor) -> Tensor:
    """Appearance map [N, 1920, H / 4, W / 4]: four branches, all raised to the finest."""
    for layer in (1, 2):
        x = p.norm(f"{BACKBONE}.bn{layer}", p.convolution(f"{BACKBONE}.conv{layer}", x, 64, 3, 2)).relu()
    for block in range(4):
        x = bottleneck(p, f"{BACKBONE}.layer1.{block}", x, 64)
    first, second = f"{BACKBONE}.transition1.0", f"{BACKBONE}.transition1.1.0"
    branches = [_changed(p, first, x, 32, 1), _changed(p, second, x, 64, 2)]
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        if stage > 2:
            name = f"{BACKBONE}.transition{stage - 1}.{stage - 1}.0"
            branches = [*branches, _changed(p, name, branches[-1], 2 * branches[-1].shape[1], 2)]
        for module in range(modules):
            branches = _exchange(p, f"{BACKBONE}.stage{stage}.{module}", branches)
    levels = [
        bottleneck(p, f"{BACKBONE}.incre_modules.{number}.0", branch, 32 * 2**number)
        for number, branch in enumerate(branches)
    ]
    p.normal(f"{BACKBONE}.cls_head.0.weight", 5, 1920, 1, 1)
    p.normal(f"{BACKBONE}.cls_head.0.bias", 5)
    p.norm(f"{BACKBONE}.cls_head.1", torch.zeros(1, 5, 1, 1))
    size = levels[0].shape[-2:]
    return torch.cat([interpolate(level, size, mode="bilinear", align_corners=True) for level in levels], dim=1)


def _changed(p: Parameters, name: str, x: Tensor, channels: int, stride: int) -> Tensor:
    return p.norm(f"{name}.1", p.convolution(f"{name}.0", x, channels, 3, stride)).relu()


def _exchange(p: Parameters, name: str, branches: list[Tensor]) -> list[Tensor]:
    """Four basic blocks in each branch, then each becomes the sum of all, brought to its resolution and width."""
    branches = list(branches)
    for number in range(len(branches)):
        for block in range(4):
            branches[number] = basic(p, f"{name}.branches.{number}.{block}", branches[number])
    return [
        sum(_brought(p, f"{name}.fuse_layers.{to}.{number}", x, number, to) for number, x in enumerate(branches)).relu()
        for to in range(len(branches))
    ]


def _brought(p: Parameters, name: str, x: Tensor, number: int, to: int) -> Tensor:
    if number > to:  # up: 1x1 convolution, then every cell repeated
        x = p.norm(f"{name}.1", p.convolution(f"{name}.0", x, 32 * 2**to, 1), 0.2)
        return interpolate(x, scale_factor=2 ** (number - to), mode="nearest")
    for step in range(to - number):  # down: a strided convolution a halving, ReLU between them
        last = step == to - number - 1
        x = p.norm(
            f"{name}.{step}.1",
            p.convolution(f"{name}.{step}.0", x, 32 * 2**to if last else x.shape[1], 3, 2),
            0.2 if last else 1,
        )
        x = x if last else x.relu()
    return x


def embeddings(p: Parameters, features: Tensor, parts: int, identities: int, width: int = 512) -> dict[str, Tensor]:
    """What the released code compares of a batch, and what it sees: foreground behind its BNNeck, parts, visibility."""
    normal = p.norm("pixel_classifier.bn", features)
    weight = p.normal("pixel_classifier.classifier.weight", parts + 1, features.shape[1], 1, 1, scale=0.1)
    scores = conv2d(normal, weight, p.normal("pixel_classifier.classifier.bias", parts + 1))
    maps = scores.softmax(dim=1)
    foreground = (features * maps[:, 1:].max(dim=1, keepdim=True).values).mean((2, 3))
    pooled = [(features * mask).sum((2, 3)) / mask.sum((2, 3)).clamp_min(1e-6) for mask in maps[:, 1:].split(1, dim=1)]
    reduced = {
        "global": _reduced(p, "global", features.mean((2, 3)), width),
        "foreground": _reduced(p, "foreground", foreground, width),
        "background": _reduced(p, "background", foreground, width),
        "parts": torch.stack([_reduced(p, "parts", part, width) for part in pooled], dim=1),
    }
    reduced["concat_parts"] = reduced["parts"].flatten(1)
    heads = {name: reduced[name] for name in ("global", "background", "foreground", "concat_parts")}
    heads |= {f"parts_identity_classifier.{k}": reduced["parts"][:, k] for k in range(parts)}
    necked = {name: _neck(p, name, embedding, identities) for name, embedding in heads.items()}
    winners = maps.argmax(dim=1).flatten(1)
    visible = torch.stack([(winners == k).any(dim=1) for k in range(1, parts + 1)], dim=1)
    return {**reduced, "foreground": necked["foreground"], "visible": visible}


def _reduced(p: Parameters, name: str, pooled: Tensor, width: int) -> Tensor:
    layers = f"{name}_after_pooling_dim_reduce.layers"
    return p.norm(f"{layers}.1", p.linear(f"{layers}.0", pooled, width, bias=True)).relu()


def _neck(p: Parameters, name: str, embedding: Tensor, identities: int) -> Tensor:
    name = name if name.startswith("parts_") else f"{name}_identity_classifier"
    necked = p.norm(f"{name}.bn", embedding)
    p.linear(f"{name}.classifier", necked, identities, bias=False)
    return necked
