"""The configuration of models and their training: network, augmentation, losses, schedule. Part of `reid.config`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from artefacts.config import Count, Embedding, Name, Positive, Section, Share, Size


class BackboneConfig(Section):
    """A timm feature extractor."""

    name: str  # timm model name
    weights: str | None = None  # "imagenet", a path, or null: from scratch
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None  # of a path
    levels: tuple[int, ...] = (-1,)  # timm's feature levels that are fused, finest first; -1 = the last
    last_stride: Literal[1, 2, "auto"] | None = None  # of the last level; auto = 1 where it can be; null = timm's
    non_local: bool = False  # non-local blocks in a ResNet's second and third level, as released with IBN-a
    ibn: Literal["a"] | None = None  # instance next to batch normalisation in a ResNet's first three levels [16]
    patch_stride: Count | None = None  # pixels between a ViT's patches, which overlap where it is less than their size
    stem: Literal["ics"] | None = None  # convolutions before a ViT's patches, as in TransReID-SSL's weights on LUPerson
    semantic_weight: Share | None = None  # of SOLIDER's Swin, its authors' 0.2 for re-identification; null = without

    @model_validator(mode="after")
    def _the_stem_fixes_the_patches(self) -> "BackboneConfig":
        if self.stem and self.patch_stride:
            raise ValueError("`stem` has patches that do not overlap; leave out `stem` or `patch_stride`")
        if self.stem and self.weights == "imagenet":
            raise ValueError("timm has no ImageNet weights with `stem`; set weights to the path of a file, or to null")
        return self

    @model_validator(mode="after")
    def _semantics_are_of_a_file(self) -> "BackboneConfig":
        if self.semantic_weight is not None and self.weights == "imagenet":
            raise ValueError(
                "only SOLIDER's weights have a `semantic_weight`; set it to null, or weights to their path"
            )
        return self

    @model_validator(mode="after")
    def _ibn_has_weights_of_its_own(self) -> "BackboneConfig":
        if self.ibn and self.weights == "imagenet":
            raise ValueError("timm has no ImageNet weights with `ibn`; set weights to the path of a file, or to null")
        return self

    @model_validator(mode="after")
    def _levels_ascend(self) -> "BackboneConfig":
        known = [level for level in sorted(set(self.levels)) if level >= 0]
        if self.levels != (-1,) and (not known or list(self.levels) != known):
            raise ValueError(f"levels {list(self.levels)}: must ascend from 0 or more, each named once, or be [-1]")
        return self


class Head(Section):
    """How attention and embeddings come from the appearance map (Sections 3.1 and 3.2)."""

    attention: Literal["learned", "labels", "stripes"] = "learned"  # or fixed: PifPaf's (Table 2), PCB's [23]
    stripes: Count | None = None  # K of `attention: stripes`
    part_classifier: Literal["plain", "normalised"] = "plain"  # Eq. 1; or BatchNorm before it, and a bias
    foreground_pooling: Literal["weighted", "mean"] = "weighted"  # Eq. 3; or the mean over cells of mask x feature
    reduction: Count | None = None  # channels of an embedding behind Linear, BatchNorm, ReLU; null = the backbone's
    part_reduction: Literal["shared", "separate"] = "shared"  # one such layer for all parts, or one each
    part_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # probability of a part to be left out in training

    @property
    def stripe_names(self) -> list[str]:
        """Names of the parts, where they are not those of a part scheme."""
        return [f"stripe_{number}" for number in range(1, 1 + (self.stripes or 0))]

    @model_validator(mode="after")
    def _separate_layers_reduce(self) -> "Head":
        if self.part_reduction == "separate" and self.reduction is None:
            raise ValueError("part_reduction: there is no layer to be separate; set reduction to a number of channels")
        return self

    @model_validator(mode="after")
    def _stripes_are_counted(self) -> "Head":
        if (self.attention == "stripes") != bool(self.stripes):
            raise ValueError("`attention: stripes` and a number of `stripes` belong together; give both or neither")
        return self


class Jitter(Section):
    """How much an image's brightness and contrast vary: by factors of 1 - share to 1 + share."""

    probability: Share
    brightness: Share
    contrast: Share


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"{list(limits)}: the least comes first; write {sorted(limits)}")
    return limits


Range = Annotated[tuple[Share, Share], AfterValidator(_ascending), "least, greatest share"]


class Occlusion(Section):
    """What is pasted on training images and their label maps, out of another identity's image of the batch.

    Departs from the paper, which has no occluders in training.
    """

    probability: Share  # of an image, to get one occluder
    kinds: dict[Literal["people", "objects", "strips"], Annotated[float, Field(ge=0)]]  # how often, against each other
    person_across: Range = (0.2, 0.6)  # of the width, by which a person is shifted to either side
    person_down: Range = (0.0, 0.3)  # of the height, by which a person is shifted
    object_area: Range = (0.05, 0.3)  # of the image, of an object's bounding box
    bottom_strip: Range = (0.25, 0.6)  # of the height, that a strip at the bottom covers
    side_strip: Range = (0.25, 0.55)  # of the width, that a strip on the left or right covers

    @field_validator("kinds")
    @classmethod
    def _some_kind_occurs(cls, kinds: dict[str, float]) -> dict[str, float]:
        if not any(kinds.values()):
            raise ValueError("no kind is left; give people, objects or strips a number above 0")
        return kinds


class Augmentation(Section):
    """What is done to training images and their label maps alike (Section 4.2)."""

    padding: Annotated[int, Field(ge=0)]  # pixels on every side before the random crop
    flip: Share
    erasing: Share  # probability of random erasing [45]
    erasing_form: Literal["paper", "official"] = "paper"  # box of [45]; or 15-65 % of height and of width
    jitter: Jitter | None = None  # null: none
    occlusion: Occlusion | None = None  # null: none


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


TrainingPrecision = Literal["float32", "tf32", "bfloat16", "float16"]


class Training(Section):
    """Batches, optimiser and schedule (Section 4.2)."""

    epochs: Count
    ids_per_batch: Annotated[int, Field(ge=2)]  # P of a batch
    images_per_id: Annotated[int, Field(ge=2)]  # K of a batch
    warmup_start_lr: Positive  # learning rate at the start
    learning_rate: Positive  # after the warm-up
    warmup_epochs: Annotated[int, Field(ge=0)]
    warmup_steps: Literal["batch", "epoch"] = "batch"  # after which the rate rises
    optimizer: Literal["adam", "adamw"] = "adam"  # adamw: weight decay apart from the gradient
    schedule: Literal["milestones", "cosine"] = "milestones"  # cosine: from the warm-up's end to 0 at the last epoch's
    milestones: list[Count]  # epochs after which the learning rate falls
    gamma: Share  # factor at each milestone
    weight_decay: Annotated[float, Field(ge=0)]
    precision: TrainingPrecision  # tf32 = convolutions of GPUs that have it; the others mixed with float32
    cudnn_benchmark: bool = True  # a GPU keeps the fastest algorithm of each convolution, which may differ between runs
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None  # of an exponential moving average, per step
    checkpointing: bool = False  # recompute activations: less memory, more time, and BatchNorm's averages move twice
    compile: bool = False  # torch.compile
    processes: Count = 1  # on one machine, each with its GPU and its share of every batch

    @model_validator(mode="after")
    def _shares_are_equal(self) -> "Training":
        size = self.ids_per_batch * self.images_per_id
        if size % self.processes:
            raise ValueError(f"processes {self.processes}: must divide the {size} images of a batch")
        return self

    @property
    def batch_size(self) -> int:
        """Images of a batch, P x K."""
        return self.ids_per_batch * self.images_per_id


class Model(Section):
    """What a training depends on (stage train)."""

    recipe: Name
    size: Size  # network input
    backbone: BackboneConfig
    head: Head = Head()
    use_bnneck_for: list[Literal["global", "foreground"]]  # embeddings taken after their BNNeck when compared
    augmentation: Augmentation
    loss: Loss
    training: Training

    @property
    def needs_labels(self) -> bool:
        """Whether training reads part labels: stripes have none."""
        return self.head.attention != "stripes"

    @property
    def attends_labels(self) -> bool:
        """Whether its attention are part labels, also of query and gallery (Table 2)."""
        return self.head.attention == "labels"

    @property
    def sees_parts(self) -> bool:
        """Whether the visibility of its parts means something: it learns attention, or takes it from labels."""
        return self.attends_labels or (self.needs_labels and self.loss.attention_weight > 0)

    @property
    def asks_for_confidences(self) -> bool:
        """Whether training reads the parts' confidences next to the label maps."""
        return self.attends_labels or self.loss.attention_labels == "blended"

    @model_validator(mode="after")
    def _fixed_attention_is_not_learnt(self) -> "Model":
        if self.head.attention != "learned" and self.loss.attention_weight:
            raise ValueError(f"attention {self.head.attention!r} is not learnt; set loss.attention_weight to 0.0")
        return self

    @model_validator(mode="after")
    def _dropped_parts_are_missed(self) -> "Model":
        if not self.head.part_dropout:
            return self
        if "parts" in self.loss.triplet and self.loss.part_triplet != "averaged":
            raise ValueError("head.part_dropout: needs `part_triplet: averaged`; change it, or set this to 0")
        if not {"parts", "concatenated"} & {*self.loss.triplet, *set(self.loss.identity) - {"parts"}}:
            raise ValueError("head.part_dropout: changes no loss that is left; put parts under triplet, or set it to 0")
        return self

    @model_validator(mode="after")
    def _occluders_can_be_had(self) -> "Model":
        occlusion, training = self.augmentation.occlusion, self.training
        if occlusion and occlusion.kinds.get("people") and not self.needs_labels:
            raise ValueError(
                "augmentation.occlusion.kinds: stripes have no labels to cut people out by; set people to 0"
            )
        if occlusion and training.ids_per_batch < 2 * training.processes:
            raise ValueError(
                "augmentation.occlusion: takes occluders from another identity of a process's share of the batch; "
                f"raise training.ids_per_batch to {2 * training.processes} or more"
            )
        return self


class ModelInUse(Model):
    """A trained model and how it is computed and its attention is read (stage embed)."""

    visibility: Visibility
    embedding_precision: Literal["float32", "tf32", "bfloat16"]  # of the backbone when images are embedded


class ModelEntry(ModelInUse):
    """A model with its part scheme and the matchings that it is reported under."""

    scheme: Name | None = None  # part scheme; null = its dataset's
    matching: Name  # entry of `matchings` behind metrics.json
    extra_matchings: list[Name]  # further entries of `matchings` reported in metrics.json
