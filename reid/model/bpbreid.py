"""BPBReID: backbone, body part attention and the K + 3 embeddings (Section 3, Figure 2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reid.config.root import Head
from reid.model.appearance import AppearanceMap
from reid.model.attention import (
    NormalisedPartClassifier,
    PartClassifier,
    attention_maps,
    confidence_maps,
    foreground_map,
    stripe_maps,
)
from reid.model.backbone import Backbone
from reid.model.pooling import PartReductions, Reduction, kept_parts, masses


@dataclass(frozen=True)
class Output:
    """What the network says of a batch.

    `embeddings`: global, foreground [N, C], concatenated [N, K C], parts [N, K, C]; C is the backbone's number of
    channels, or that of `Head.reduction`. `necked`: the same after their BNNeck, and `identity_scores` [N, I] (parts:
    [N, K, I]), for the embeddings that have one. `attention` [N, L, h, w]: the maps of Eq. 1, and `attention_scores`
    their logits; fixed attention has none. `kept` [N, K]: the parts that `Head.part_dropout` did not leave out in this
    step of a training.
    """

    embeddings: dict[str, Tensor]
    necked: dict[str, Tensor]
    identity_scores: dict[str, Tensor]
    attention_scores: Tensor | None
    attention: Tensor
    kept: Tensor | None = None


class BPBReID(nn.Module):
    """Images [N, 3, H, W] to holistic and body part-based embeddings with their attention maps.

    `necks` names the embeddings that carry a BNNeck and an identity classifier, which are those under the identity
    loss (Eq. 6) and those compared after their BNNeck; `head` chooses between the paper and the released code.
    """

    def __init__(self, backbone: Backbone, parts: int, identities: int, necks: Sequence[str], head: Head) -> None:
        super().__init__()
        self.backbone, self.foreground_pooling = backbone, head.foreground_pooling
        self.parts, self.attention, self.part_dropout = parts, head.attention, head.part_dropout
        self.gathered: Callable[[Tensor], Tensor] = lambda share: share  # whole batches, where processes share them
        if head.attention == "learned":
            classifier = {"plain": PartClassifier, "normalised": NormalisedPartClassifier}[head.part_classifier]
            self.part_classifier = classifier(backbone.channels, parts)
        width = head.reduction or backbone.channels
        reduced = ("global", "foreground", "parts") if head.reduction else ()
        self.reductions = nn.ModuleDict({name: Reduction(backbone.channels, width) for name in reduced})
        if head.part_reduction == "separate":
            self.reductions["parts"] = PartReductions(parts, backbone.channels, width)
        widths = {"global": width, "foreground": width, "concatenated": parts * width}
        self.necks = nn.ModuleDict(
            {
                name: nn.ModuleList(IdentityHead(width, identities) for _ in range(parts))
                if name == "parts"
                else IdentityHead(widths[name], identities)
                for name in necks
            }
        )

    def forward(self, images: Float[Tensor, "N 3 H W"], confidences: Float[Tensor, "N K y x"] | None = None) -> Output:
        """Embeddings, identity scores and attention of a batch; the head computes in float32, whatever the rest.

        `confidences` of the parts, 0..1 on a grid of their own, are the attention where it is that of the labels.
        """
        features = self.backbone(images)
        with torch.autocast(images.device.type, enabled=False):
            return self._heads(features.float(), confidences)

    def _attend(self, features: AppearanceMap, confidences: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """Logits, if attention is learnt, and maps of the attention [N, L, h, w]."""
        if self.attention == "learned":
            scores = self.part_classifier(features)
            return scores, attention_maps(scores)
        if self.attention == "labels":
            return None, confidence_maps(confidences, features.grid)
        images = features.levels[0].shape[0]  # not len, which would fix their number in an exported graph
        return None, stripe_maps(self.parts, features.grid, features.device).expand(images, -1, -1, -1)

    def _heads(self, features: AppearanceMap, confidences: Tensor | None) -> Output:
        scores, attention = self._attend(features, confidences)
        embeddings = pool_embeddings(features, attention, self.foreground_pooling, self.reductions)
        kept = self._drop_parts(embeddings) if self.training and self.part_dropout else None
        embeddings = {name: self.gathered(embedding) for name, embedding in embeddings.items()}
        scores, attention = scores if scores is None else self.gathered(scores), self.gathered(attention)
        heads = {name: _apply_head(head, embeddings[name]) for name, head in self.necks.items()}
        return Output(
            embeddings=embeddings,
            necked={name: necked for name, (necked, _) in heads.items()},
            identity_scores={name: identity_scores for name, (_, identity_scores) in heads.items()},
            attention_scores=scores,
            attention=attention,
            kept=kept,
        )

    def _drop_parts(self, embeddings: dict[str, Tensor]) -> Tensor:
        """Leave parts out of the concatenated embedding, in place, so that no few of them decide; returns those kept.

        Departs from the paper. The others are scaled by 1 / (1 - p), so that its mean stays; in Eq. 7, distances are
        averaged over parts that both images keep.
        """
        parts = embeddings["parts"]
        kept = kept_parts(*parts.shape[:2], self.part_dropout, parts.device)
        embeddings["concatenated"] = (parts * kept[:, :, None] / (1 - self.part_dropout)).flatten(1)
        return self.gathered(kept.to(parts.dtype)) > 0


def pool_embeddings(
    features: AppearanceMap,
    attention: Float[Tensor, "N L h w"],
    foreground_pooling: str = "weighted",
    reductions: Mapping[str, nn.Module] | None = None,
) -> dict[str, Tensor]:
    """f_g, f_f, f_c and f_1..K of an appearance map and its attention maps (Eq. 3, Section 3.2.1).

    Departs from the paper: `foreground_pooling` "mean" divides the foreground by the number of cells, as the authors'
    released code does, so that the embedding shrinks with the person's share of the image; and so do `reductions` of
    pooled embeddings by name.
    """
    foreground = foreground_map(attention)[:, None]
    maps = torch.cat([torch.ones_like(foreground), foreground, attention[:, 1:]], dim=1)
    mass = masses(maps)
    if foreground_pooling == "mean":
        mass = torch.cat([mass[:, :1], mass[:, :1], mass[:, 2:]], dim=1)  # that of the map of ones: all cells
    averages = features.weighted_sum(maps) / mass[:, :, None]
    pooled = {"global": averages[:, 0], "foreground": averages[:, 1], "parts": averages[:, 2:]}
    for name in reductions or {}:
        pooled[name] = reductions[name](pooled[name])
    return pooled | {"concatenated": pooled["parts"].flatten(1)}


class IdentityHead(nn.Module):
    """BNNeck [14] and identity classifier: batch normalisation whose shift stays zero, then a product without bias.

    With 0 identities there is no classifier, and the scores are empty.
    """

    def __init__(self, channels: int, identities: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.norm.bias.requires_grad_(False)
        self.classifier = nn.Linear(channels, identities, bias=False) if identities else None
        if self.classifier is not None:
            nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, features: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N I"]]:
        necked = self.norm(features.contiguous())  # on a CPU, the gradient of a slice takes 30 times as long
        return necked, necked.new_empty(necked.shape[0], 0) if self.classifier is None else self.classifier(necked)


def _apply_head(head: nn.Module, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """After BNNeck and identity scores of one embedding; of parts, each has a head of its own."""
    if not isinstance(head, nn.ModuleList):
        return head(embedding)
    necked, scores = zip(*(one(embedding[:, part]) for part, one in enumerate(head)), strict=True)
    return torch.stack(necked, dim=1), torch.stack(scores, dim=1)
