"""The configuration of trainings: augmentation, losses, batches and schedule. Part of `reid.config`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from artefacts.config import Count, Embedding, Positive, Section, Share


class Jitter(Section):
    """How much an image's brightness and contrast vary: by factors of 1 - share to 1 + share."""

    probability: Share
    brightness: Share
    contrast: Share


class Augmentation(Section):
    """What is done to training images and their label maps alike (Section 4.2)."""

    padding: Annotated[int, Field(ge=0)]  # pixels on every side before the random crop
    flip: Share
    erasing: Share  # probability of random erasing [45]
    erasing_form: Literal["paper", "official"] = "paper"  # box of [45]; or 15-65 % of height and of width
    jitter: Jitter | None = None  # null: none


class Visibility(Section):
    """When a part counts as visible (Eq. 4)."""

    rule: Literal["threshold", "argmax"]  # max of M_i above the threshold; or i wins the argmax in some cell
    threshold: Share  # lambda_v


class Loss(Section):
    """Which losses act on which embeddings, and how strongly (Eq. 2, 5-8; Table 4)."""

    attention_weight: Annotated[float, Field(ge=0)]  # lambda_pa, Eq. 5
    attention_smoothing: Share  # epsilon, Eq. 2
    attention_labels: Literal["nearest", "blended"] = "nearest"  # the label at a cell's centre; or as released
    attention_form: Literal["mean", "sum"]  # cross-entropy per labelled cell; or Eq. 2's sum over cells, to the letter
    identity: list[Embedding]  # embeddings under the identity loss, Eq. 6
    identity_smoothing: Share
    triplet: list[Embedding]  # embeddings under the triplet loss, Eq. 6
    triplet_weights: dict[Embedding, Annotated[float, Field(ge=0)]] = {}  # of those; 1 where not named
    part_triplet: Literal["averaged", "each"]  # Eq. 7-8, or one triplet a part (Table 2)
    triplet_visibility: Visibility | None = None  # Eq. 7 over parts that both images show; null: over all, the paper's
    margin: Annotated[float, Field(ge=0)]  # alpha, Eq. 8

    @field_validator("attention_form", mode="before")
    @classmethod
    def _forms_have_new_names(cls, value: object) -> object:
        new = {"paper": "sum", "official": "mean"}
        if isinstance(value, str) and value in new:
            raise ValueError(f"{value!r} is now called {new[value]!r}; `recipe: paper` uses 'mean'")
        return value

    @model_validator(mode="after")
    def _visibility_has_an_average(self) -> "Loss":
        if self.triplet_visibility and ("parts" not in self.triplet or self.part_triplet != "averaged"):
            raise ValueError("triplet_visibility needs `parts` under triplet, and `part_triplet: averaged`")
        return self

    @model_validator(mode="after")
    def _something_is_learnt(self) -> "Loss":
        triplets = [name for name in self.triplet if self.triplet_weights.get(name, 1.0)]
        if not (self.attention_weight or self.identity or triplets):
            raise ValueError("no loss is left; name an embedding under identity or triplet, or raise attention_weight")
        return self


class Training(Section):
    """Batches, optimiser and schedule (Section 4.2)."""

    epochs: Count
    identities: Annotated[int, Field(ge=2)]  # P of a batch
    images: Annotated[int, Field(ge=2)]  # K of a batch
    warmup_rate: Positive  # learning rate at the start
    learning_rate: Positive  # after the warm-up
    warmup_epochs: Annotated[int, Field(ge=0)]
    warmup_steps: Literal["batch", "epoch"] = "batch"  # after which the rate rises
    milestones: list[Count]  # epochs after which the learning rate falls
    decay: Share  # factor at each milestone
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Literal["no", "bf16", "fp16"]  # accelerate's mixed precision; fp16 on a GPU, with scaled gradients
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None  # of an exponential moving average, per step
    checkpointing: bool = False  # recompute activations: less memory, more time, and BatchNorm's averages move twice
    compile: bool = False  # torch.compile
    processes: Count = 1  # on one machine, each with its GPU and its share of every batch

    @model_validator(mode="after")
    def _shares_are_equal(self) -> "Training":
        size = self.identities * self.images
        if size % self.processes:
            raise ValueError(f"processes {self.processes}: must divide the {size} images of a batch")
        return self

    @property
    def batch_size(self) -> int:
        """Images of a batch, P x K."""
        return self.identities * self.images
