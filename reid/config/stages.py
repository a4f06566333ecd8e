"""What each stage is told: one class a stage, built by its rule and read by the stage.

Light: every dry run loads it. `reid.config.table_stages` is the same for tables, `parsing.stage_config` for labels.
"""

from typing import Annotated, Literal, Self

from pydantic import Field

from artefacts.config import Count, Name, StageConfig
from reid.config.dataset import Finding, ImageFolder, Seeds, Synthetic
from reid.config.downloads import Address, digits_of
from reid.config.report import Matching
from reid.config.root import Config, PackagedWeights
from reid.config.terms import terms_of
from reid.config.training import Model, ModelInUse


class FetchConfig(StageConfig):
    """Where a file of weights is."""

    url: Address

    @property
    def digits(self) -> str:
        """The first digits of the file's SHA-256."""
        return digits_of(self.url)

    @classmethod
    def of(cls, config: Config, download: str) -> Self:
        return cls(url=config.downloads[download])


class DrawConfig(StageConfig):
    """The people that are rendered."""

    synthetic: Synthetic

    @classmethod
    def of(cls, config: Config, dataset: str) -> Self:
        return cls(synthetic=config.datasets[dataset].synthetic)


class ManifestConfig(StageConfig):
    """Where the images of the dataset `name` lie, and how their names are read."""

    name: Name
    dataset: ImageFolder

    @classmethod
    def of(cls, config: Config, dataset: str) -> Self:
        return cls(name=dataset, dataset=ImageFolder.of(config.datasets[dataset]))


class ProtocolConfig(StageConfig):
    """What may be wrong with the dataset `name` (stages protocol and check)."""

    name: Name
    allow: list[Finding]
    unreadable: Literal["fail", "leave_out"]  # of `labels`

    @classmethod
    def of(cls, config: Config, dataset: str) -> Self:
        return cls(name=dataset, allow=config.datasets[dataset].allow, unreadable=config.labels.unreadable)

    def accepts(self, finding: str) -> bool:
        """Whether this finding does not stop the workflow."""
        return finding in self.allow or (finding == "unreadable" and self.unreadable == "leave_out")


class ImportBackboneConfig(StageConfig):
    """The ImageNet weights of the timm network `name`."""

    name: str
    weights: PackagedWeights

    @classmethod
    def of(cls, config: Config, backbone: str) -> Self:
        return cls(name=backbone, weights=config.backbones[backbone])


class ImportOfficialConfig(StageConfig):
    """The entry of models that a released checkpoint fits."""

    name: str
    model: ModelInUse
    scheme: str | None = None  # that the entry names; one of `schemes`
    schemes: dict[str, list[str]]  # names of the parts of every scheme

    @classmethod
    def of(cls, config: Config, model: str) -> Self:
        entry = config.model(model)
        parts = {name: list(scheme.parts) for name, scheme in config.schemes.items()}
        return cls(name=model, model=ModelInUse.of(entry), scheme=entry.scheme, schemes=parts)


class TrainConfig(StageConfig):
    """What a training depends on."""

    model: Model
    roots: dict[Name, str]  # by name, of the datasets that are trained on: one, or those of a combination
    sampling: Literal["size", "even"]  # of several
    seed: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, config: Config, dataset: str, model: str, seed: str) -> Self:
        roots = {member: config.datasets[member].root for member in config.members(dataset)}
        sampling = getattr(config.datasets[dataset], "sampling", "size")
        return cls(model=Model.of(config.model(model)), roots=roots, sampling=sampling, seed=int(seed))


class EmbedConfig(StageConfig):
    """What embeddings depend on besides the weights."""

    model: ModelInUse
    root: str

    @classmethod
    def of(cls, config: Config, dataset: str, model: str) -> Self:
        return cls(model=ModelInUse.of(config.model(model)), root=config.datasets[dataset].root)


class EvaluateConfig(StageConfig):
    """The matching `name` under which query and gallery are compared."""

    name: str
    matching: Matching

    @classmethod
    def of(cls, config: Config, matching: str) -> Self:
        return cls(name=matching, matching=config.matchings[matching])


class GalleryConfig(StageConfig):
    """Where the images of a dataset lie."""

    root: str

    @classmethod
    def of(cls, config: Config, dataset: str) -> Self:
        return cls(root=config.datasets[dataset].root)


class IndexConfig(StageConfig):
    """How an index rounds."""

    codes: Literal["scalar", "product"]

    @classmethod
    def of(cls, config: Config) -> Self:
        return cls(codes=config.index.codes)


class SummariseConfig(StageConfig):
    """Which metrics are put together, and what is noted next to them."""

    dataset: str
    model: str
    matching: str
    extra_matchings: list[str]
    seeds: Seeds
    recipe: str
    batch_size: Count  # of training, in images

    @classmethod
    def of(cls, config: Config, dataset: str, model: str) -> Self:
        entry = config.model(model)
        return cls(
            dataset=dataset,
            model=model,
            matching=entry.matching,
            extra_matchings=entry.extra_matchings,
            seeds=config.seeds_of(model, dataset),
            recipe=entry.recipe,
            batch_size=entry.training.batch_size,
        )


class PackConfig(StageConfig):
    """The model that leaves the workflow as a pack, under its own matching, with the weights of the first seed."""

    dataset: str
    name: str  # of the model, below results/{dataset}
    trained_on: str
    combines: list[str]  # the datasets that `trained_on` combines, if it does
    model: ModelInUse
    matching_name: str
    matching: Matching
    seed: int
    terms: str  # of the data that it is trained and measured on, Markdown

    @classmethod
    def of(cls, config: Config, dataset: str, model: str) -> Self:
        entry, trained_on = config.model(model), config.trained_on(model, dataset)
        members = config.members(trained_on)
        purposes = dict.fromkeys(members, "trained on") | {dataset: "measured on"}
        if dataset in members:
            purposes[dataset] = "trained and measured on"
        return cls(
            dataset=dataset,
            name=model,
            trained_on=trained_on,
            combines=[] if members == [trained_on] else members,
            model=ModelInUse.of(entry),
            matching_name=entry.matching,
            matching=config.matchings[entry.matching],
            seed=config.seeds_of(model, dataset)[0],
            terms=terms_of({name: (purpose, config.datasets[name]) for name, purpose in purposes.items()}),
        )


class RankConfig(StageConfig):
    """Which rankings are drawn."""

    root: str
    matching: Matching
    queries: Count

    @classmethod
    def of(cls, config: Config, dataset: str, model: str) -> Self:
        matching = config.matchings[config.model(model).matching]
        return cls(root=config.datasets[dataset].root, matching=matching, queries=config.pictures.queries)


class AttentionConfig(StageConfig):
    """Of how many images attention is drawn."""

    root: str
    images: Count

    @classmethod
    def of(cls, config: Config, dataset: str) -> Self:
        return cls(root=config.datasets[dataset].root, images=config.pictures.images)


class CurvesConfig(StageConfig):
    """Whose training curves are drawn."""

    dataset: str
    model: str

    @classmethod
    def of(cls, config: Config, dataset: str, model: str) -> Self:
        return cls(dataset=dataset, model=model)
