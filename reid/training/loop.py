"""The training loop: batches in, weights out."""

from collections import defaultdict
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from artefacts.errors import UserError
from artefacts.progress import bar
from artefacts.state import State
from reid.config import Model
from reid.data.loading import TrainingLoader
from reid.data.samples import TrainingBatch, normalised, shares
from reid.losses.gilt import objective
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID
from reid.training.schedule import learning_rate

History = list[dict[str, float]]


class Trained(NamedTuple):
    """The weights after the last epoch, on the CPU, and one row of means an epoch."""

    weights: dict[str, Tensor]
    history: History


def make_optimiser(model: BPBReID, settings: Model) -> torch.optim.Optimizer:
    """Adam over everything that learns (Section 4.2)."""
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.Adam(learnable, lr=settings.training.warmup_rate, weight_decay=settings.training.weight_decay)


def train(
    model: BPBReID, loader: TrainingLoader, settings: Model, accelerator: Accelerator, state: State, title: str
) -> Trained:
    """Train from the last epoch that `state` knows to the end, saving after every epoch."""
    model, optimiser = accelerator.prepare(model.to(memory_format=torch.channels_last), make_optimiser(model, settings))
    first, history = _resume(state, accelerator.unwrap_model(model), optimiser)
    epochs = settings.training.epochs
    batches = [loader.length(epoch) for epoch in range(epochs)]
    with bar(sum(batches), title, "batch", done=sum(batches[:first])) as progress:
        for epoch in range(first, epochs):
            means = _train_epoch(model, optimiser, loader, settings, accelerator, epoch, progress)
            history.append({"epoch": epoch + 1, **means})
            _save(state, accelerator.unwrap_model(model), optimiser, epoch + 1, history)
    weights = {name: tensor.detach().cpu() for name, tensor in accelerator.unwrap_model(model).state_dict().items()}
    return Trained(weights, history)


def _train_epoch(
    model: nn.Module, optimiser, loader: TrainingLoader, settings: Model, accelerator: Accelerator, epoch: int, progress
) -> dict[str, float]:
    model.train()
    batches, sums = loader.length(epoch), defaultdict(float)
    for number, batch in enumerate(loader.epoch(epoch)):
        rate = learning_rate(epoch + number / batches, settings.training)
        for group in optimiser.param_groups:
            group["lr"] = rate
        terms = _terms(model, batch, settings, accelerator)
        if not bool(terms["loss"].isfinite()):
            raise UserError(
                f"the loss is not finite in epoch {epoch + 1}, at the batch of {batch.keys[0]} and "
                f"{len(batch.keys) - 1} others; lower models.*.training.learning_rate or use precision: no"
            )
        optimiser.zero_grad()
        accelerator.backward(terms["loss"])
        optimiser.step()
        for name, value in terms.items():
            sums[name] += float(value.detach())
        progress.set_postfix(epoch=epoch + 1, loss=f"{float(terms['loss'].detach()):.3f}", refresh=False)
        progress.update()
    return {"learning_rate": rate} | {name: value / batches for name, value in sums.items()}


def _terms(model: nn.Module, batch: TrainingBatch, settings: Model, accelerator: Accelerator) -> dict[str, Tensor]:
    device, rule = accelerator.device, settings.loss.triplet_visibility
    output = model(normalised(batch.images.to(device)), shares(batch.confidences, device))
    labels = None if batch.labels is None else labels_on_cells(batch.labels.to(device), output.attention.shape[-2:])
    return objective(
        output.embeddings,
        output.identity_scores,
        output.attention_scores,
        labels,
        batch.identities.to(device),
        settings.loss,
        visible_parts(output.attention, rule) if rule else None,
    )


def labels_on_cells(labels: Tensor, cells: tuple[int, int]) -> Tensor:
    """Label maps [N, H/4, W/4] on the cells of the attention maps, each cell taking the label at its centre."""
    return functional.interpolate(labels[:, None].float(), tuple(cells), mode="nearest-exact")[:, 0].long()


def _resume(state: State, model: BPBReID, optimiser) -> tuple[int, History]:
    saved = state.load()
    if saved is None:
        return 0, []
    model.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimiser"])
    torch.set_rng_state(saved["random"])
    return saved["epoch"], saved["history"]


def _save(state: State, model: BPBReID, optimiser, epoch: int, history: History) -> None:
    state.save(
        {
            "epoch": epoch,
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "history": history,
        }
    )
