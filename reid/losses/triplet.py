"""Batch-hard triplet losses (Section 3.3.2)."""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

SMALLEST_SQUARE = 1e-12  # under the root, where its gradient would be infinite


def pairwise_distances(features: Float[Tensor, "N D"]) -> Float[Tensor, "N N"]:
    """Euclidean distance between every two features of a batch, differentiable also where they are equal."""
    squares = features.square().sum(dim=1)
    products = features @ features.T
    return (squares[:, None] + squares[None] - 2 * products).clamp_min(SMALLEST_SQUARE).sqrt()


def part_distances(parts: Float[Tensor, "N K D"]) -> Float[Tensor, "K N N"]:
    """Euclidean distance of every two images, part by part."""
    stacked = parts.transpose(0, 1)
    squares = stacked.square().sum(dim=2)
    products = stacked @ stacked.transpose(1, 2)
    return (squares[:, :, None] + squares[:, None] - 2 * products).clamp_min(SMALLEST_SQUARE).sqrt()


def part_averaged_distances(parts: Float[Tensor, "N K D"]) -> Float[Tensor, "N N"]:
    """Mean over the parts of their Euclidean distances, d_parts (Eq. 7)."""
    return part_distances(parts).mean(dim=0)


def visible_part_averaged_distances(
    parts: Float[Tensor, "N K D"], visible: Bool[Tensor, "N K"]
) -> Float[Tensor, "N N"]:
    """Mean of the distances over the parts that both images show: Eq. 7 with the visibility scores of Eq. 9.

    Departs from the paper, which averages over all parts in training and leaves this open (Section 4.4.1). Infinite
    where two images have no part in common, as in Section 3.4.
    """
    both = visible.T[:, :, None] & visible.T[:, None]
    common = both.sum(dim=0)
    average = (part_distances(parts) * both).sum(dim=0) / common.clamp_min(1)
    return average.masked_fill(common == 0, torch.inf)


def hardest(
    distances: Float[Tensor, "N N"], identities: Integer[Tensor, "N"]
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"], Bool[Tensor, "N"]]:
    """For each anchor the farthest positive, the nearest negative, and whether it has both (batch-hard [8]).

    Images at infinite distance, which have nothing in common, are neither. The farthest of no positives is minus
    infinity, the nearest of no negatives infinity, so that a hinge on their difference is zero where one is missing.
    """
    same = identities[:, None] == identities[None]
    itself = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    positive = distances.masked_fill(~same | itself | distances.isinf(), -torch.inf).amax(dim=1)
    negative = distances.masked_fill(same, torch.inf).amin(dim=1)
    return positive, negative, positive.isfinite() & negative.isfinite()


def batch_hard_triplet_loss(
    distances: Float[Tensor, "N N"], identities: Integer[Tensor, "N"], margin: float
) -> Float[Tensor, ""]:
    """Mean over anchors of [d_ap - d_an + margin]_+ with the hardest positive and negative (Eq. 8).

    Anchors without a positive or a negative in the batch are left out, by the hinge and not by selection, whose result
    has a shape that the host would have to wait for; with none left the loss is zero.
    """
    positive, negative, usable = hardest(distances, identities)
    losses = (positive - negative + margin).clamp_min(0)
    return losses.sum() / usable.sum().clamp_min(1)


def part_averaged_triplet_loss(
    parts: Float[Tensor, "N K D"], identities: Integer[Tensor, "N"], margin: float
) -> Float[Tensor, ""]:
    """One triplet an anchor, on distances averaged over the parts (Eq. 7-8)."""
    return batch_hard_triplet_loss(part_averaged_distances(parts), identities, margin)


def separate_part_triplet_loss(
    parts: Float[Tensor, "N K D"], identities: Integer[Tensor, "N"], margin: float
) -> Float[Tensor, ""]:
    """Mean of a distinct triplet loss for each part: "w/o part-averaged triplet loss" of Table 2."""
    losses = [batch_hard_triplet_loss(distances, identities, margin) for distances in part_distances(parts)]
    return torch.stack(losses).mean()
