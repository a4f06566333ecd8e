"""GiLt and the whole objective (Section 3.3): which loss acts on which embedding."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional

from reid.losses.attention import mean_body_part_attention_loss, summed_body_part_attention_loss
from reid.losses.triplet import (
    batch_hard_triplet_loss,
    pairwise_distances,
    part_averaged_triplet_loss,
    separate_part_triplet_loss,
    visible_part_averaged_distances,
)


def identity_loss(
    scores: Float[Tensor, "N I"] | Float[Tensor, "N K I"], identities: Integer[Tensor, "N"], smoothing: float
) -> Float[Tensor, ""]:
    """Cross-entropy with label smoothing, L_CE of Eq. 6; with scores of every part, the mean over the parts."""
    if scores.dim() == 3:
        identities = identities[:, None].expand(scores.shape[:2]).flatten()
        scores = scores.flatten(0, 1)
    return functional.cross_entropy(scores, identities, label_smoothing=smoothing)


def triplet_loss(
    features: Float[Tensor, "N D"] | Float[Tensor, "N K D"],
    identities: Integer[Tensor, "N"],
    margin: float,
    part_triplet: str,
    visible: Bool[Tensor, "N K"] | None = None,
) -> Float[Tensor, ""]:
    """The triplet loss of one embedding: batch-hard on a holistic one, part-averaged (or each) on parts.

    With `visible` parts, the average is over those that both images show.
    """
    if features.dim() == 2:
        return batch_hard_triplet_loss(pairwise_distances(features), identities, margin)
    if visible is not None:
        return batch_hard_triplet_loss(visible_part_averaged_distances(features, visible), identities, margin)
    of_parts = {"averaged": part_averaged_triplet_loss, "each": separate_part_triplet_loss}[part_triplet]
    return of_parts(features, identities, margin)


def objective(
    embeddings: Mapping[str, Tensor],
    identity_scores: Mapping[str, Tensor],
    attention_scores: Float[Tensor, "N L h w"] | None,
    labels: Integer[Tensor, "N h w"] | None,
    identities: Integer[Tensor, "N"],
    settings,
    visible: Bool[Tensor, "N K"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of L = lambda_pa L_pa + L_id + L_tri, by name, and their sum as `loss` (Eq. 5, 6).

    `embeddings` and `identity_scores` are keyed global, foreground, concatenated, parts; `settings` is `config.Loss`;
    `attention_scores` and `labels` are read unless lambda_pa is 0. `visible` parts, if given, alone count in Eq. 7.
    Departs from the paper: `triplet_weights` scale the triplet losses. Eq. 6 has none on the foreground; the authors'
    released code weighs it by 1 or 0, depending on the dataset.
    """
    terms = {}
    if settings.attention_weight:
        forms = {"mean": mean_body_part_attention_loss, "sum": summed_body_part_attention_loss}
        form = forms[settings.attention_form]
        terms["attention"] = settings.attention_weight * form(attention_scores, labels, settings.attention_smoothing)
    for name in settings.identity:
        terms[f"identity_{name}"] = identity_loss(identity_scores[name], identities, settings.identity_smoothing)
    for name in settings.triplet:
        weight = settings.triplet_weights.get(name, 1.0)
        if weight:
            loss = triplet_loss(embeddings[name], identities, settings.margin, settings.part_triplet, visible)
            terms[f"triplet_{name}"] = weight * loss
    return {"loss": torch.stack(list(terms.values())).sum(), **terms}
