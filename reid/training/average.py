"""An average of the weights over the steps of a training."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """Exponential moving average of a model's weights and statistics: w <- decay w + (1 - decay) w', first w <- w'.

    `module` holds it. As torch's AveragedModel, whose count of steps is a tensor that the host would wait for in each.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module, self._begun = copy.deepcopy(model).requires_grad_(False), False
        self._average = get_ema_multi_avg_fn(decay)
        pairs = list(zip(self.module.state_dict().values(), model.state_dict().values(), strict=True))
        self._weights = _unzipped([pair for pair in pairs if pair[0].is_floating_point()])
        self._counts = _unzipped([pair for pair in pairs if not pair[0].is_floating_point()])

    @torch.no_grad()
    def update(self) -> None:
        """Take in what the model's weights are now."""
        if self._begun:
            self._average(*self._weights, None)
        else:
            torch._foreach_copy_(*self._weights)
        if self._counts[0]:
            torch._foreach_copy_(*self._counts)
        self._begun = True

    def state(self) -> dict:
        """All that `restore` needs."""
        return {"begun": self._begun, "module": self.module.state_dict()}

    def restore(self, saved: dict) -> None:
        """Go on from what `state` gave."""
        self._begun = saved["begun"]
        self.module.load_state_dict(saved["module"])


def _unzipped(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
