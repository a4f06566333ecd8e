"""The body part attention loss (Section 3.1.3)."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from parsing.schemes import UNKNOWN


def body_part_attention_loss(
    scores: Float[Tensor, "N L h w"], labels: Integer[Tensor, "N h w"], smoothing: float
) -> Float[Tensor, ""]:
    """Cross-entropy of the part classifier with label smoothing, L_pa (Eq. 2), averaged over images.

    `scores` are the logits of Eq. 1, `labels` the part of each cell (0 = background). As the equation has it, the sum
    runs over cells, and the smoothing is spread by the batch size N: the true class has weight 1 - eps (N-1)/N, every
    other eps / N.
    """
    batch = scores.shape[0]
    log_probabilities = scores.log_softmax(dim=1)
    known = labels != UNKNOWN
    true = log_probabilities.gather(1, labels.long().where(known, 0)[:, None])[:, 0]
    others = log_probabilities.sum(dim=1) - true
    cells = (1 - smoothing * (batch - 1) / batch) * true + smoothing / batch * others
    return -(cells * known).sum() / batch


def mean_body_part_attention_loss(
    scores: Float[Tensor, "N L h w"], labels: Integer[Tensor, "N h w"], smoothing: float
) -> Float[Tensor, ""]:
    """Cross-entropy of the part classifier, averaged over cells, its smoothing spread over the classes.

    Departs from the paper: the form of the authors' released code, eps / (K + 1) and a mean in place of the sum.
    """
    losses = torch.nn.functional.cross_entropy(
        scores, labels.long(), ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="sum"
    )
    return losses / (labels != UNKNOWN).sum().clamp_min(1)
