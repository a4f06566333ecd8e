"""The configuration of the whole workflow: names, types and bounds of everything in `config.yaml`.

One frozen model, which refuses unknown keys. The JSON Schema that Snakemake validates is generated from it
(`python -m reid.config`). This module imports nothing heavy, since every dry run loads it.
"""

import json
from copy import deepcopy
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic.json_schema import GenerateJsonSchema

from artefacts.errors import UserError
from parsing.config import Count, Labels, PifPaf, Positive, Scheme, Section, Share, Size

Embedding = Literal["global", "foreground", "concatenated", "parts"]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
TAKEN = {"datasets": {"pifpaf", "tables"}, "models": {"source", "parsing"}, "schemes": {"fields"}}


class Synthetic(Section):
    """A dataset that the workflow draws itself (rule draw)."""

    seed: int
    identities: Annotated[int, Field(ge=4)]  # the first half trains
    images: Count  # of each identity
    cameras: Annotated[int, Field(ge=1, le=99)]
    distractors: Annotated[int, Field(ge=0)]  # gallery images of people who are no query, identity 0000
    junk: Annotated[int, Field(ge=0)]  # images of identity -1, which no protocol uses
    width: Count
    height: Count
    crowd: Share  # of images with a person in the back
    occlusion: Share  # how much of a query's body is hidden: 0 = a part or two, 1 = more than half


class ImageFolder(Section):
    """Where a dataset lies, how its names are read, and what must be there (stage manifest)."""

    reader: Literal["market1501"]
    root: str  # folder, relative to where snakemake runs
    trains_on: Name | None = None  # dataset whose training half serves, where this one has none
    expected: dict[Literal["train", "query", "gallery"], Count] = {}  # images of a complete copy


class Dataset(ImageFolder):
    """A dataset, and how it is labelled and trained."""

    scheme: Name  # entry of `schemes`
    pifpaf: Name  # entry of `pifpaf`
    seeds: list[Annotated[int, Field(ge=0)]] = [1]  # one training each; results are their mean and spread
    synthetic: Synthetic | None = None


class Backbone(Section):
    """A timm feature extractor."""

    name: str  # timm model name
    weights: str | None = None  # "imagenet", a path, or null: from scratch
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None  # of a path
    levels: tuple[int, ...] = (-1,)  # timm's feature levels that are fused, finest first; -1 = the last
    last_stride: Literal[1, 2] | None = None  # of a ResNet's last level; null = as timm builds it
    ibn: Literal["a"] | None = None  # instance beside batch normalisation in a ResNet's first three levels [16]

    @model_validator(mode="after")
    def _ibn_has_weights_of_its_own(self) -> "Backbone":
        if self.ibn and self.weights == "imagenet":
            raise ValueError("timm has no ImageNet weights with `ibn`; set weights to the path of a file, or to null")
        return self


class PackagedWeights(Section):
    """ImageNet weights inside a Python package, under the names of torchvision (rule import_backbone)."""

    package: str  # as pip knows it
    file: str  # inside the package
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    torchvision: str  # the torchvision network whose parameter names the file has


class Head(Section):
    """How attention and embeddings come from the appearance map (Sections 3.1 and 3.2)."""

    part_classifier: Literal["plain", "normalised"] = "plain"  # Eq. 1; or BatchNorm before it, and a bias
    foreground_pooling: Literal["weighted", "mean"] = "weighted"  # Eq. 3; or the mean over cells of mask x feature
    reduction: Count | None = (
        None  # channels of a pooled embedding behind Linear, BatchNorm, ReLU; null = the backbone's
    )


class Augmentation(Section):
    """What is done to training images and their label maps alike (Section 4.2)."""

    padding: Annotated[int, Field(ge=0)]  # pixels on every side before the random crop
    flip: Share
    erasing: Share  # probability of random erasing [45]
    erasing_form: Literal["paper", "official"] = "paper"  # box of [45]; or 15-65 % of height and of width


class Loss(Section):
    """Which losses act on which embeddings, and how strongly (Eq. 2, 5-8; Table 4)."""

    attention_weight: Annotated[float, Field(ge=0)]  # lambda_pa, Eq. 5
    attention_smoothing: Share  # epsilon, Eq. 2
    attention_form: Literal["paper", "official"]  # Eq. 2's sum over cells; or the mean of the released code
    identity: list[Embedding]  # embeddings under the identity loss, Eq. 6
    identity_smoothing: Share
    triplet: list[Embedding]  # embeddings under the triplet loss, Eq. 6
    triplet_weights: dict[Embedding, Annotated[float, Field(ge=0)]] = {}  # of those; 1 where not named
    part_triplet: Literal["averaged", "each"]  # Eq. 7-8, or one triplet a part (Table 2)
    margin: Annotated[float, Field(ge=0)]  # alpha, Eq. 8


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
    precision: Literal["no", "bf16", "fp16"]  # accelerate's mixed precision
    workers: Annotated[int, Field(ge=0)]  # data loading processes


class Visibility(Section):
    """When a part counts as visible (Eq. 4)."""

    rule: Literal["threshold", "argmax"]  # max of M_i above the threshold; or i wins the argmax in some cell
    threshold: Share  # lambda_v


class Model(Section):
    """What a training depends on (stage train)."""

    recipe: Name
    size: Size  # network input
    backbone: Backbone
    head: Head = Head()
    after_bnneck: list[Literal["global", "foreground"]]  # embeddings taken after their BNNeck when compared
    augmentation: Augmentation
    loss: Loss
    training: Training


class ModelInUse(Model):
    """A trained model and how its attention is read (stage embed)."""

    visibility: Visibility


class ModelEntry(ModelInUse):
    """A model with the matchings that it is reported under."""

    matching: Name  # entry of `matchings` behind metrics.json
    also: list[Name]  # further entries of `matchings` reported in metrics.json


class Matching(Section):
    """How query and gallery features are compared (Eq. 9)."""

    embeddings: list[str]  # of Embedding, or names of single parts
    visibility: bool  # compare mutually visible embeddings only; false sets every v to 1 (Table 2)
    normalise: bool = False  # features to unit length first
    separately: bool = False  # report each embedding alone instead of their mean (Table 3)
    nothing_in_common: Literal["infinity", "largest_plus_one"] = "infinity"  # distance where no part is seen in both


class Table(Section):
    """A table: which rows (dataset/model/matching) it shows."""

    title: str
    rows: list[dict[Literal["label", "dataset", "model", "matching"], str]]
    seeds: list[Annotated[int, Field(ge=0)]] | None = None  # null: the dataset's
    published: Literal["table1", "table2", "table3", "table4"] | None = None  # of the paper, whose rows stand first


class Pictures(Section):
    """How much the pictures show (rules rank and attention)."""

    queries: Count  # with their first gallery images
    images: Count  # with their attention maps


class Config(Section):
    """All of `config.yaml`."""

    schemes: dict[Name, Scheme]
    pifpaf: dict[Name, PifPaf]
    labels: Labels
    datasets: dict[Name, Dataset]
    backbones: dict[Name, PackagedWeights]
    recipes: dict[Name, dict]
    models: dict[Name, dict]
    matchings: dict[Name, Matching]
    pictures: Pictures
    tables: dict[Name, Table]

    @model_validator(mode="after")
    def _references_exist(self) -> "Config":
        for name, dataset in self.datasets.items():
            _must_exist(f"datasets.{name}.scheme", dataset.scheme, self.schemes)
            _must_exist(f"datasets.{name}.pifpaf", dataset.pifpaf, self.pifpaf)
            if dataset.trains_on:
                _must_exist(f"datasets.{name}.trains_on", dataset.trains_on, self.datasets)
            if dataset.synthetic and dataset.root != f"results/{name}/source":
                raise ValueError(f"datasets.{name}.root: must be results/{name}/source, where the workflow draws it")
        drawn = [name for name, dataset in self.datasets.items() if dataset.synthetic]
        for name, network in self.pifpaf.items():
            if network.training:
                _must_exist(f"pifpaf.{name}.train_on", network.train_on, drawn)
                _must_exist(f"pifpaf.{name}.validate_on", network.validate_on, drawn)
        for name in self.models:
            model = self.model(name)
            for matching in (model.matching, *model.also):
                _must_exist(f"models.{name}", matching, self.matchings)
        for name, table in self.tables.items():
            for row in table.rows:
                _must_exist(f"tables.{name}: dataset", row.get("dataset"), self.datasets)
                _must_exist(f"tables.{name}: model", row.get("model"), self.models)
                if "matching" in row:
                    model = self.model(row["model"])
                    reported = dict.fromkeys([model.matching, *model.also])
                    _must_exist(f"tables.{name}: models.{row['model']}.also", row["matching"].split("/")[0], reported)
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> "Config":
        for key, taken in TAKEN.items():
            for name in taken & getattr(self, key).keys():
                raise ValueError(f"{key}.{name}: this name is taken by a folder or file of results/")
        return self

    def model(self, name: str) -> ModelEntry:
        """The model entry `name` laid over its `extends` entry and its recipe."""
        entry = self._resolved(name, ())
        _must_exist(f"models.{name}.recipe", entry.get("recipe"), self.recipes)
        try:
            return ModelEntry.model_validate_json(json.dumps(_overlaid(self.recipes[entry["recipe"]], entry)))
        except ValidationError as error:
            raise ValueError(f"models.{name}: {_first_problem(error)}") from None

    def _resolved(self, name: str, seen: tuple[str, ...]) -> dict:
        if name in seen:
            raise ValueError(f"models.{seen[0]}: `extends` goes round in a circle through {name!r}")
        entry = deepcopy(self.models[name])
        base = entry.pop("extends", None)
        if base is None:
            return entry
        _must_exist(f"models.{name}.extends", base, self.models)
        return _overlaid(self._resolved(base, (*seen, name)), entry)


def _overlaid(base: dict, over: dict) -> dict:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlaid(merged[key], value) if both else value
    return merged


def _must_exist(key: str, name: str | None, entries: dict) -> None:
    if name not in entries:
        raise ValueError(f"{key}: {name!r} is not one of {', '.join(entries)}")


def _first_problem(error: ValidationError) -> str:
    problems = error.errors()
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])  # a misspelt key first
    where = ".".join(str(step) for step in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
    given = problem.get("input")
    if isinstance(given, str) and problem["type"] in ("float_type", "int_type"):
        message += f", but {given!r} is a text (YAML needs a point before an exponent: 3.0e-4)"
    return f"{where}: {message}" if where else message


def load(content: dict) -> Config:
    """The validated configuration. Raises UserError, naming the first wrong key, if there is one."""
    try:
        return Config.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(f"config.yaml: {_first_problem(error)}") from None


def json_schema() -> dict:
    """JSON Schema of `config.yaml`, kept in workflow/schemas/config.schema.json."""
    return {"$schema": GenerateJsonSchema.schema_dialect, **Config.model_json_schema()}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
