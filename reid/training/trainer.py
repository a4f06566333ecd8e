"""One model in training: its weights, their average, the optimiser, how far it has come and what it measured."""

import math
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from artefacts.errors import UserError
from reid.config.root import Model
from reid.data.samples import TrainingBatch, normalised, to_float
from reid.losses.gilt import objective
from reid.model.attention import visible_parts
from reid.model.bpbreid import BPBReID, Output
from reid.training.attention_targets import blended_labels_on_cells, labels_on_cells
from reid.training.average import MovingAverage
from reid.training.distributed import whole_batch
from reid.training.measures import (
    MEASURES,
    Readings,
    RunningMeans,
    Total,
    identity_accuracy,
    means,
    total,
    true_part_probability,
)
from reid.training.schedule import learning_rate

History = list[dict[str, float]]


class Step(NamedTuple):
    """Which step: its epoch and batch, counted from 1, and the keys of its images."""

    epoch: int
    batch: int
    keys: list[str]


class NotFinite(ArithmeticError):
    """A loss that is not finite, at a step, with its terms by name."""

    def __init__(self, step: Step, terms: dict[str, float]) -> None:
        super().__init__(", ".join(f"{name} {value}" for name, value in terms.items()))
        self.step, self.terms = step, terms


class Trainer:
    """Steps and epochs of a training; `epoch` are done, and `batch` batches of the next one.

    `history` has one row of means for each epoch that is done. All of it is in `state()`. Steps are queued on the
    device, and nothing waits for them but `read`.
    """

    def __init__(self, model: BPBReID, settings: Model, accelerator: Accelerator) -> None:
        self.settings, self.accelerator, training = settings, accelerator, settings.training
        if training.checkpointing:
            _checkpoint(model)
        if accelerator.num_processes > 1:
            _see_whole_batches(model)
        model = model.train().to(accelerator.device, memory_format=torch.channels_last)
        self.model, self.optimiser = accelerator.prepare(model, make_optimiser(model, settings, accelerator.device))
        self.objective = torch.compile(objective) if training.compile else objective
        self.averaged = MovingAverage(self._bare(), training.average_decay) if training.average_decay else None
        self.epoch, self.batch, self.history = 0, 0, []
        self._readings, self._means = Readings(), RunningMeans()

    def step(self, batch: TrainingBatch, batches: int) -> None:
        """An update from one of the epoch's `batches`, which is on the device; what it measured is there to be read."""
        rate = learning_rate(self.epoch + self.batch / batches, self.settings.training)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms, measures = self._terms(batch)
        self.optimiser.zero_grad()
        self.accelerator.backward(terms["loss"])
        self.optimiser.step()
        if self.averaged is not None:
            self.averaged.update()
        self.batch += 1
        losses = {name: total(value.detach()) for name, value in terms.items()}
        self._readings.add(Step(self.epoch + 1, self.batch, batch.keys), losses | measures)

    def read(self) -> list[dict[str, float]]:
        """The terms of the loss and the measures, by name, of each step since the last call. Awaits the device once.

        Raises NotFinite for the first step whose loss is not: the weights are spoilt since.
        """
        steps = []
        for step, totals in self._readings.read():
            values = means(totals)
            if not math.isfinite(values["loss"]):
                raise NotFinite(step, {name: value for name, value in values.items() if name not in MEASURES})
            self._means.add(totals)
            steps.append({name: value for name, value in values.items() if not math.isnan(value)})
        return steps

    def end_epoch(self) -> None:
        """Note the means of the epoch, whose steps have been read: what follows belongs to the next."""
        rate = self.optimiser.param_groups[0]["lr"]
        self.history.append({"epoch": self.epoch + 1, "learning_rate": rate, **self._means.read()})
        self.epoch, self.batch, self._means = self.epoch + 1, 0, RunningMeans()

    def _terms(self, batch: TrainingBatch) -> tuple[dict[str, Tensor], dict[str, Total]]:
        """The terms of the loss, and the measures that mean something for this model."""
        rule, identities = self.settings.loss.triplet_visibility, batch.identities
        output = self.model(normalised(batch.images), to_float(batch.confidences))
        labels = self._labels(batch, tuple(output.attention.shape[-2:]))
        if self.accelerator.num_processes > 1:
            labels = None if labels is None else self.accelerator.gather(labels.contiguous())
            identities = self.accelerator.gather(identities)
        counted = [visible_parts(output.attention, rule)] if rule else []
        counted += [] if output.kept is None else [output.kept]
        visible = torch.stack(counted).all(dim=0) if counted else None
        terms = self.objective(
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
        if self.settings.loss.attention_labels == "blended":
            return blended_labels_on_cells(batch.labels, to_float(batch.confidences), cells)
        return labels_on_cells(batch.labels, cells)

    def weights(self) -> dict[str, Tensor]:
        """What is to be used: the averaged weights, where they are averaged; on the CPU."""
        model = self._bare() if self.averaged is None else self.averaged.module
        return {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}

    def state(self) -> dict:
        """All that `restore` needs to go on, once all steps have been read."""
        scaler = self.accelerator.scaler
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "means": self._means.state(),
            "history": self.history,
            "model": self._bare().state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "random": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
        }

    def restore(self, saved: dict) -> None:
        """Go on from what `state` gave."""
        self._bare().load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.averaged is not None:
            self.averaged.restore(saved["averaged"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(saved["scaler"])
        processor, *devices = saved["random"]
        torch.set_rng_state(processor)
        torch.cuda.set_rng_state_all(devices[: torch.cuda.device_count()])
        self.epoch, self.batch, self.history = saved["epoch"], saved["batch"], saved["history"]
        self._means.restore(saved["means"])

    def _bare(self) -> BPBReID:
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)


def make_optimiser(model: BPBReID, settings: Model, device: torch.device) -> torch.optim.Optimizer:
    """Adam over everything that learns (Section 4.2), on a GPU in one kernel for all weights.

    Departs from the paper: with `optimizer: adamw` the weights shrink by rate x weight_decay in each step, apart from
    the gradient, as in Loshchilov and Hutter, Decoupled Weight Decay Regularization (ICLR 2019).
    """
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    training, fused = settings.training, device.type == "cuda"
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[training.optimizer]
    return kind(learnable, lr=training.warmup_start_lr, weight_decay=training.weight_decay, fused=fused)


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
