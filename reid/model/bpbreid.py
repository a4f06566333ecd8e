"""BPBReID: backbone, body part attention and the K + 3 embeddings (Section 3, Figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reid.model.attention import attention_maps, foreground_map, part_classifier
from reid.model.backbone import Backbone
from reid.model.pooling import weighted_average


@dataclass(frozen=True)
class Output:
    """What the network says of a batch.

    `embeddings`: global, foreground [N, C], concatenated [N, K C], parts [N, K, C]. `necked`: the same after their
    BNNeck, and `identity_scores` [N, I] (parts: [N, K, I]), for the embeddings that have one. `attention` [N, L, h, w]:
    the maps of Eq. 1, and `attention_scores` their logits.
    """

    embeddings: dict[str, Tensor]
    necked: dict[str, Tensor]
    identity_scores: dict[str, Tensor]
    attention_scores: Tensor
    attention: Tensor


class BPBReID(nn.Module):
    """Images [N, 3, H, W] to holistic and body part-based embeddings with their attention maps.

    `necks` names the embeddings that carry a BNNeck and an identity classifier, which are those under the identity
    loss (Eq. 6) and those compared after their BNNeck.
    """

    def __init__(self, backbone: Backbone, parts: int, identities: int, necks: Sequence[str]) -> None:
        super().__init__()
        self.backbone = backbone
        self.part_classifier = part_classifier(backbone.channels, parts)
        widths = dict.fromkeys(("global", "foreground"), backbone.channels) | {"concatenated": parts * backbone.channels}
        self.necks = nn.ModuleDict(
            {
                name: nn.ModuleList(IdentityHead(backbone.channels, identities) for _ in range(parts))
                if name == "parts"
                else IdentityHead(widths[name], identities)
                for name in necks
            }
        )

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Output:
        """Embeddings, identity scores and attention of a batch; the head computes in float32 whatever the backbone does."""
        features = self.backbone(images)
        with torch.autocast(features.device.type, enabled=False):
            return self._heads(features.float())

    def _heads(self, features: Float[Tensor, "N C h w"]) -> Output:
        scores = self.part_classifier(features)
        attention = attention_maps(scores)
        embeddings = pool_embeddings(features, attention)
        heads = {name: _apply_head(head, embeddings[name]) for name, head in self.necks.items()}
        return Output(
            embeddings=embeddings,
            necked={name: necked for name, (necked, _) in heads.items()},
            identity_scores={name: identity_scores for name, (_, identity_scores) in heads.items()},
            attention_scores=scores,
            attention=attention,
        )


def pool_embeddings(features: Float[Tensor, "N C h w"], attention: Float[Tensor, "N L h w"]) -> dict[str, Tensor]:
    """f_g, f_f, f_c and f_1..K of an appearance map and its attention maps (Eq. 3, Section 3.2.1)."""
    parts = weighted_average(features, attention[:, 1:])
    return {
        "global": features.mean(dim=(2, 3)),
        "foreground": weighted_average(features, foreground_map(attention)[:, None])[:, 0],
        "concatenated": parts.flatten(1),
        "parts": parts,
    }


class IdentityHead(nn.Module):
    """BNNeck [14] and identity classifier: batch normalisation whose shift stays zero, then a product without bias."""

    def __init__(self, channels: int, identities: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.norm.bias.requires_grad_(False)
        self.classifier = nn.Linear(channels, identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, features: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N I"]]:
        necked = self.norm(features)
        return necked, self.classifier(necked)


def _apply_head(head: nn.Module, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """After BNNeck and identity scores of one embedding; of parts, each has a head of its own."""
    if not isinstance(head, nn.ModuleList):
        return head(embedding)
    necked, scores = zip(*(one(embedding[:, part]) for part, one in enumerate(head)), strict=True)
    return torch.stack(necked, dim=1), torch.stack(scores, dim=1)
