"""One model in training: its weights, their average, the optimiser, how far it has come and what it measured."""

import math

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from artefacts.errors import UserError
from reid.config.root import Model
from reid.data.samples import TrainingBatch, normalised, to_float
from reid.losses.gilt import objective
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID, Output
from reid.training.attention_targets import blended_labels_on_cells, labels_on_cells
from reid.training.distributed import whole_batch
from reid.training.measures import RunningMeans, Total, identity_accuracy, means, total, true_part_probability
from reid.training.schedule import learning_rate

History = list[dict[str, float]]


class NotFinite(ArithmeticError):
    """A loss that is not finite, with its terms by name."""

    def __init__(self, terms: dict[str, float]) -> None:
        super().__init__(", ".join(f"{name} {value}" for name, value in terms.items()))
        self.terms = terms


class Trainer:
    """Steps and epochs of a training; `epoch` are done, and `batch` batches of the next one.

    `history` has one row of means for each epoch that is done. All of it is in `state()`.
    """

    def __init__(self, model: BPBReID, settings: Model, accelerator: Accelerator) -> None:
        self.settings, self.accelerator = settings, accelerator
        if settings.training.checkpointing:
            _checkpoint(model)
        if accelerator.num_processes > 1:
            _see_whole_batches(model)
        optimiser = make_optimiser(model, settings)
        self.model, self.optimiser = accelerator.prepare(model.to(memory_format=torch.channels_last), optimiser)
        decay = settings.training.average_decay
        average = decay and get_ema_multi_avg_fn(decay)
        self.averaged = AveragedModel(self._bare(), multi_avg_fn=average, use_buffers=True) if decay else None
        self.epoch, self.batch, self.means, self.history = 0, 0, RunningMeans(), []

    def step(self, batch: TrainingBatch, batches: int) -> dict[str, float]:
        """The terms of the loss and the measures by name, at an update from one of the epoch's `batches`.

        Raises NotFinite, before anything is updated, if the loss is not.
        """
        self.model.train()
        rate = learning_rate(self.epoch + self.batch / batches, self.settings.training)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms, measures = self._terms(batch)
        totals = {name: total(value.detach()) for name, value in terms.items()} | measures
        values = means(totals)  # the GPU is awaited once
        if not math.isfinite(values["loss"]):
            raise NotFinite({name: values[name] for name in terms})
        self.optimiser.zero_grad()
        self.accelerator.backward(terms["loss"])
        self.optimiser.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self._bare())
        self.batch += 1
        self.means.add(totals)
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def end_epoch(self) -> None:
        """Note the epoch's means: what follows belongs to the next."""
        rate = self.optimiser.param_groups[0]["lr"]
        self.history.append({"epoch": self.epoch + 1, "learning_rate": rate, **self.means.read()})
        self.epoch, self.batch, self.means = self.epoch + 1, 0, RunningMeans()

    def _terms(self, batch: TrainingBatch) -> tuple[dict[str, Tensor], dict[str, Total]]:
        """The terms of the loss, and the measures that mean something for this model."""
        device, rule = self.accelerator.device, self.settings.loss.triplet_visibility
        output = self.model(normalised(batch.images.to(device)), to_float(batch.confidences, device))
        labels = self._labels(batch, tuple(output.attention.shape[-2:]))
        identities = batch.identities.to(device)
        if self.accelerator.num_processes > 1:
            labels = None if labels is None else self.accelerator.gather(labels.contiguous())
            identities = self.accelerator.gather(identities)
        visible = visible_parts(output.attention, rule) if rule else None
        terms = objective(
            output.embeddings, output.identity_scores, output.attention_scores, labels, identities,
            self.settings.loss, visible,
        )  # fmt: skip
        return terms, self._measures(output, labels, identities)

    @torch.no_grad()
    def _measures(self, output: Output, labels: Tensor | None, identities: Tensor) -> dict[str, Total]:
        """Accuracy of the classifiers under the identity loss, and what attention that is taught pays to its labels."""
        measures, loss = {}, self.settings.loss
        if loss.identity:
            scores = (output.identity_scores[name] for name in loss.identity)
            measures["identity_accuracy"] = identity_accuracy(scores, identities)
        if loss.attention_weight:
            measures["true_part_probability"] = true_part_probability(output.attention, labels)
        return measures

    def _labels(self, batch: TrainingBatch, cells: tuple[int, int]) -> Tensor | None:
        """The label of each cell of the attention maps, None where the model asks for none."""
        if batch.labels is None:
            return None
        labels = batch.labels.to(self.accelerator.device)
        if self.settings.loss.attention_labels == "blended":
            return blended_labels_on_cells(labels, to_float(batch.confidences, labels.device), cells)
        return labels_on_cells(labels, cells)

    def weights(self) -> dict[str, Tensor]:
        """What is to be used: the averaged weights, where they are averaged; on the CPU."""
        model = self._bare() if self.averaged is None else self.averaged.module
        return {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}

    def state(self) -> dict:
        """All that `restore` needs to go on."""
        scaler = self.accelerator.scaler
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "means": self.means.state(),
            "history": self.history,
            "model": self._bare().state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "random": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
        }

    def restore(self, saved: dict) -> None:
        """Go on from what `state` gave."""
        self._bare().load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.averaged is not None:
            self.averaged.load_state_dict(saved["averaged"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(saved["scaler"])
        processor, *devices = saved["random"]
        torch.set_rng_state(processor)
        torch.cuda.set_rng_state_all(devices[: torch.cuda.device_count()])
        self.epoch, self.batch, self.history = saved["epoch"], saved["batch"], saved["history"]
        self.means.restore(saved["means"], self.accelerator.device)

    def _bare(self) -> BPBReID:
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)


def make_optimiser(model: BPBReID, settings: Model) -> torch.optim.Optimizer:
    """Adam over everything that learns (Section 4.2)."""
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.Adam(
        learnable, lr=settings.training.warmup_start_lr, weight_decay=settings.training.weight_decay
    )


def _checkpoint(model: BPBReID) -> None:
    try:
        model.backbone.network.set_grad_checkpointing(True)
    except (AssertionError, AttributeError):
        raise UserError(
            "models.*.training.checkpointing: timm cannot recompute the activations of this backbone; set it to false"
        ) from None


def _see_whole_batches(model: BPBReID) -> None:
    """Losses, BNNecks and, on GPUs, the backbone's normalisation see the batch of all processes."""
    model.gathered = whole_batch
    if torch.cuda.is_available():  # there is no such layer for the CPU
        model.backbone = nn.SyncBatchNorm.convert_sync_batchnorm(model.backbone)
