"""The body part attention loss (Section 3.1.3)."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from parsing.schemes import UNKNOWN


def mean_body_part_attention_loss(
    scores: Float[Tensor, "N L h w"], labels: Integer[Tensor, "N h w"], smoothing: float
) -> Float[Tensor, ""]:
    """Cross-entropy of the part classifier with label smoothing, L_pa (Eq. 2), averaged over cells and images.

    `scores` are the logits of Eq. 1, `labels` the part of each cell (0 = background; UNKNOWN cells do not count).
    Departs from the paper: Eq. 2 as written sums over cells, and smooths by the batch size
    (`summed_body_part_attention_loss`). This is the loss that its numbers were measured with: the smoothing is spread
    over the K + 1 classes, and the term weighs the same at every resolution.
    """
    losses = torch.nn.functional.cross_entropy(
        scores, labels.long(), ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="sum"
    )
    return losses / (labels != UNKNOWN).sum().clamp_min(1)


def summed_body_part_attention_loss(
    scores: Float[Tensor, "N L h w"], labels: Integer[Tensor, "N h w"], smoothing: float
) -> Float[Tensor, ""]:
    """Eq. 2 to the letter: summed over cells, averaged over images, smoothed by the batch size N.

    The true class has weight 1 - eps (N-1)/N, every other eps / N. The term grows with the number of cells, so that a
    lambda_pa that suits 16x8 cells is 24 times too large at 96x32.
    """
    batch = scores.shape[0]
    log_probabilities = scores.log_softmax(dim=1)
    known = labels != UNKNOWN
    true = log_probabilities.gather(1, labels.long().where(known, 0)[:, None])[:, 0]
    others = log_probabilities.sum(dim=1) - true
    cells = (1 - smoothing * (batch - 1) / batch) * true + smoothing / batch * others
    return -(cells * known).sum() / batch
