"""The configuration of the whole workflow: names, types and bounds of all keys of its files (`files.CONFIGURATION`).

One frozen model, which refuses unknown keys. The JSON Schema that Snakemake validates is generated from it
(`python -m reid.config.root`). This module imports nothing heavy, since every dry run loads it.
"""

import json
from typing import Annotated

from pydantic import Field, ValidationError, model_validator
from pydantic.json_schema import GenerateJsonSchema

from artefacts.config import EMBEDDINGS, Name, Section, must_be_one_of, overlaid
from artefacts.errors import UserError, first_problem
from parsing.config import LabelConfig
from reid.config.dataset import (  # noqa: F401 - importers find all types here
    Combination,
    Dataset,
    DatasetEntry,
    ImageFolder,
    Synthetic,
)
from reid.config.downloads import Address
from reid.config.model_names import dataset_of, entry_of, trained_on
from reid.config.report import GalleryIndex, Matching, Pictures, Table, TableRow, datasets_of
from reid.config.training import (  # noqa: F401 - as above
    Augmentation,
    BackboneConfig,
    Head,
    Loss,
    Model,
    ModelEntry,
    ModelInUse,
    Occlusion,
    Training,
    Visibility,
)  # fmt: skip

TAKEN = {"datasets": {"pifpaf", "tables"}, "models": {"source", "parsing"}, "schemes": {"fields"}}


class PackagedWeights(Section):
    """ImageNet weights inside a Python package, under the names of torchvision (rule import_backbone)."""

    package: str  # as pip knows it
    file: str  # inside the package
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    torchvision: str  # the torchvision network whose parameter names the file has


class Config(LabelConfig):
    """All of the configuration."""

    datasets: dict[Name, DatasetEntry]
    backbones: dict[Name, PackagedWeights]
    recipes: dict[Name, dict]
    models: dict[Name, dict]
    matchings: dict[Name, Matching]
    index: GalleryIndex
    pictures: Pictures
    tables: dict[Name, Table]
    fetch: bool  # whether missing weights are downloaded
    downloads: dict[str, Address] = {}  # where from, by the path at which they are kept

    @model_validator(mode="after")
    def _datasets_fit(self) -> "Config":
        for name, dataset in self.with_images.items():
            must_be_one_of(f"datasets.{name}.scheme", dataset.scheme, self.schemes)
            if dataset.pifpaf:
                must_be_one_of(f"datasets.{name}.pifpaf", dataset.pifpaf, self.pifpaf)
            elif dataset.labels_from.kind == "part_png":
                must_be_one_of(f"datasets.{name}.labels_from.parser", dataset.labels_from.parser, self.parsers)
            if dataset.trains_on:
                must_be_one_of(f"datasets.{name}.trains_on (a dataset without it)", dataset.trains_on, self.trainable)
            self.gate(name)
            if dataset.synthetic and dataset.root != f"results/{name}/source":
                raise ValueError(f"datasets.{name}.root: must be results/{name}/source, where the workflow draws it")
        drawn = [name for name, dataset in self.with_images.items() if dataset.synthetic]
        for name, network in self.pifpaf.items():
            if network.training:
                must_be_one_of(f"pifpaf.{name}.train_on", network.train_on, drawn)
                must_be_one_of(f"pifpaf.{name}.validate_on", network.validate_on, drawn)
        return self

    @model_validator(mode="after")
    def _combinations_fit(self) -> "Config":
        for name in (name for name in self.datasets if name not in self.with_images):
            key, members = f"datasets.{name}.combines", self.members(name)
            for member in members:
                must_be_one_of(key, member, self.datasets)
                if member not in self.with_images:
                    inside = "itself" if member == name else "a combination too; name the datasets that it combines"
                    raise ValueError(f"{key}: {member!r} is {inside}")
                if serves := self.datasets[member].trains_on:
                    raise ValueError(f"{key}: {member!r} has no training half (it trains on {serves}); leave it out")
            first, *others = ((member, self.datasets[member].scheme) for member in members)
            for member, scheme in others:
                if scheme != first[1]:
                    raise ValueError(
                        f"{key}: {first[0]!r} is labelled with the parts of {first[1]}, {member!r} with those of "
                        f"{scheme}; name datasets of one scheme (a second entry of the same images may have another)"
                    )
        return self

    @model_validator(mode="after")
    def _matchings_fit(self) -> "Config":
        parts = [part for scheme in self.schemes.values() for part in scheme.parts]
        stripes = [part for name in self.models for part in self.model(name).head.stripe_names]
        known = dict.fromkeys([*EMBEDDINGS, *parts, *stripes])
        for name, matching in self.matchings.items():
            for embedding in matching.embeddings:
                must_be_one_of(f"matchings.{name}.embeddings", embedding, known)
            for part in getattr(matching.visibility, "values", None) or {}:
                must_be_one_of(f"matchings.{name}.visibility.values", part, known)
        for name in self.models:
            if self.model(name).scheme:
                must_be_one_of(f"models.{name}.scheme", self.model(name).scheme, self.schemes)
            for matching in self._matchings_of(name):
                must_be_one_of(f"models.{name}", matching, self.matchings)
        return self

    @model_validator(mode="after")
    def _rows_are_reported(self) -> "Config":
        for name, entry in self.tables.items():
            for key, known in (("trained_on", self.trainable), ("searched_in", self.with_images)):
                for dataset in getattr(entry.matrix, key, []):
                    must_be_one_of(f"tables.{name}.matrix.{key}", dataset, known)
            table = self.table(name)
            if table.reference:
                must_be_one_of(f"tables.{name}.reference", table.reference, [row["label"] for row in table.rows])
            for number, row in enumerate(table.rows):
                where = f"tables.{name}.matrix" if entry.matrix else f"tables.{name}.rows.{number}"
                self._row_is_reported(where, row)
        return self

    def _row_is_reported(self, where: str, row: TableRow) -> None:
        model = entry_of(row["model"])
        must_be_one_of(f"{where}.model", model, self.models)
        if source := dataset_of(row["model"]):
            must_be_one_of(f"{where}.model: {row['model']}", source, self.trainable)
        for dataset in datasets_of(row):
            must_be_one_of(f"{where}.dataset", dataset, self.with_images)
            if "group" in row and not self.datasets[dataset].query_groups:
                raise ValueError(f"{where}.group: datasets.{dataset} has no groups; set its query_groups")
            entries = self._matchings_of(model)
            reported = [one for matching in entries for one in self._reports(matching, row["model"], dataset)]
            must_be_one_of(f"{where}.matching (models.{model}.extra_matchings)", row["matching"], reported)

    def _matchings_of(self, model: str) -> list[str]:
        return list(dict.fromkeys([self.model(model).matching, *self.model(model).extra_matchings]))

    @property
    def with_images(self) -> dict[str, Dataset]:
        """The datasets that have images of their own: all but combinations."""
        return {name: entry for name, entry in self.datasets.items() if isinstance(entry, Dataset)}

    @property
    def trainable(self) -> list[str]:
        """The datasets that are trained on: those with a training half, and combinations."""
        return [name for name, entry in self.datasets.items() if not entry.trains_on]

    def members(self, dataset: str) -> list[str]:
        """The datasets whose images a training on `dataset` reads: itself, or those that it combines."""
        entry = self.datasets[dataset]
        return entry.combines if isinstance(entry, Combination) else [dataset]

    def trained_on(self, model: str, dataset: str) -> str:
        """The dataset on which a model that searches `dataset` is trained (see `model_names`)."""
        return dataset_of(model) or self.datasets[dataset].trains_on or dataset

    def scheme_of(self, model: str, dataset: str) -> str:
        """The part scheme that a model knows on a dataset: its own, or that of what it is trained on."""
        return self.model(model).scheme or self.datasets[self.members(self.trained_on(model, dataset))[0]].scheme

    def seeds_of(self, model: str, dataset: str) -> list[int]:
        """The seeds with which a model that searches `dataset` is trained."""
        return self.datasets[dataset_of(model) or dataset].seeds

    def table(self, name: str) -> Table:
        """A table, a matrix laid out in rows: one label for each dataset that is trained on."""
        entry = self.tables[name]
        matrix = entry.matrix
        if matrix is None:
            return entry
        cells = [(source, dataset) for source in matrix.trained_on for dataset in matrix.searched_in]
        rows = [
            {"label": source, "dataset": dataset, "model": self._model_of(source, dataset, matrix.model)}
            for source, dataset in cells
        ]
        rows = [row | {"matching": matrix.matching} for row in rows]
        return entry.model_copy(update={"rows": rows, "matrix": None, "heading": "Trained on"})

    def _model_of(self, source: str, dataset: str, model: str) -> str:
        """The name under which `model`, trained on `source`, searches `dataset`."""
        return model if self.trained_on(model, dataset) == source else trained_on(model, source)

    def _reports(self, name: str, model: str, dataset: str) -> list[str]:
        """Names of the results of matching `name` of a model: its own or, `separately`, one an embedding."""
        parts = self.model(model).head.stripe_names or self.schemes[self.scheme_of(model, dataset)].parts
        embeddings, separately = self.matchings[name].embeddings, self.matchings[name].separately
        for one in embeddings:
            must_be_one_of(f"matchings.{name}.embeddings (datasets.{dataset})", one, [*EMBEDDINGS, *parts])
        single = [one for item in embeddings for one in (parts if item == "parts" else [item])]
        return [f"{name}/{one}" for one in single] if separately else [name]

    @model_validator(mode="after")
    def _names_are_free(self) -> "Config":
        made = [path for path in self.downloads if path.startswith("results/")]
        if made:
            raise ValueError(f"downloads.{made[0]}: the workflow makes what is in results/; keep it in data/")
        for key, taken in TAKEN.items():
            for name in taken & getattr(self, key).keys():
                raise ValueError(f"{key}.{name}: this name is taken by a folder or file of results/")
        return self

    def model(self, name: str) -> ModelEntry:
        """The model entry of a model's name laid over its `extends` entry and its recipe."""
        name = entry_of(name)
        entry = self._resolved("models", name)
        must_be_one_of(f"models.{name}.recipe", entry.get("recipe"), self.recipes)
        recipe = self._resolved("recipes", entry["recipe"])
        try:
            return ModelEntry.model_validate_json(json.dumps(overlaid(recipe, entry)))
        except ValidationError as error:
            raise ValueError(f"models.{name}: {first_problem(error)}") from None

    def _resolved(self, kind: str, name: str, seen: tuple[str, ...] = ()) -> dict:
        """Entry `name` of `models` or `recipes`, laid over the entry that it extends."""
        if name in seen:
            raise ValueError(f"{kind}.{seen[0]}: `extends` goes round in a circle through {name!r}")
        entry = dict(getattr(self, kind)[name])
        base = entry.pop("extends", None)
        if base is None:
            return entry
        must_be_one_of(f"{kind}.{name}.extends", base, getattr(self, kind))
        return overlaid(self._resolved(kind, base, (*seen, name)), entry)


def load(content: dict) -> Config:
    """The validated configuration. Raises UserError, naming the first wrong key, if there is one."""
    try:
        return Config.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(f"configuration: {first_problem(error)}") from None


def json_schema() -> dict:
    """JSON Schema of the configuration, kept in workflow/schemas/config.schema.json."""
    return {"$schema": GenerateJsonSchema.schema_dialect, **Config.model_json_schema()}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
