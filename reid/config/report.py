"""The configuration of what is reported: matchings, tables and pictures. Part of `reid.config`."""

from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, model_validator, with_config
from typing_extensions import TypedDict

from artefacts.config import Count, Name, Section, Share, named_once
from reid.config.dataset import Seeds


class Rerank(Section):
    """k-reciprocal re-ranking of the part-to-part distances [44]."""

    k1: Count  # images that must be among each other's nearest
    k2: Count  # nearest images whose encodings are averaged; 1 = none but its own
    original_weight: Share  # lambda of [44]: 1 = distances stay as they are, but for their scale

    @model_validator(mode="after")
    def _averaged_images_are_known(self) -> "Rerank":
        if self.k2 > self.k1 + 1:
            raise ValueError(f"k2 {self.k2}: must be at most k1 + 1, {self.k1 + 1}")
        return self


class GalleryIndex(Section):
    """The index of a dataset's gallery, `gallery.faiss`."""

    shards: Count  # independent jobs
    codes: Literal["scalar", "product"]  # beyond 20,000 images, a byte for each number, or for eight of them


class SingleShot(Section):
    """CMC in galleries of one image an identity, as on CUHK03."""

    repetitions: Count  # galleries sampled
    seed: Annotated[int, Field(ge=0)]  # of the draw


# Quantiles 0, 0.01, …, 1 of the largest attention of each part, in training images whose labels show the part; None
# of a part that none shows.
PartAttention = dict[str, Annotated[list[Share], Field(min_length=101, max_length=101)] | None]
PART_ATTENTION = TypeAdapter(PartAttention | None)


class PartThresholds(Section):
    """A threshold of visibility for each part, in place of Eq. 4's one: one of the two, in either way.

    Departs from the paper: lambda_v is the same for all parts there.
    """

    quantile: Share | None = None  # of the largest attention of parts that training labels show; less is not visible
    values: dict[str, Share] | None = None  # by part

    @model_validator(mode="after")
    def _one_of_two(self) -> "PartThresholds":
        if (self.quantile is None) == (self.values is None):
            raise ValueError("give `quantile`, or `values` by part")
        return self


class Matching(Section):
    """How query and gallery features are compared (Eq. 9).

    `visibility`: true compares mutually visible embeddings only; false sets every v to 1 (Table 2). `soft` departs from
    the paper: v is a part's largest attention, and 1 of holistic embeddings, so that Eq. 9 weighs by v_q v_g.
    """

    embeddings: Annotated[list[str], AfterValidator(named_once)]  # of Embedding, or names of single parts
    visibility: bool | Literal["soft"] | PartThresholds
    normalise: bool = False  # features to unit length first
    separately: bool = False  # report each embedding alone instead of their mean (Table 3)
    nothing_in_common: Literal["infinity", "largest_plus_one"] = "infinity"  # distance where no part is seen in both
    rerank: Rerank | None = None  # null = not, as in the paper (Section 4.1)
    single_shot: SingleShot | None = None  # rank-k as on CUHK03; null = the whole gallery

    def with_thresholds(self, attention: PartAttention | None) -> "Matching":
        """The same with values in place of the quantile of `visibility`, if it has one.

        A part that no training label shows is never visible. Raises ValueError where `attention` is not known.
        """
        rule = self.visibility
        if not isinstance(rule, PartThresholds) or rule.quantile is None:
            return self
        if not attention:
            raise ValueError("has no attention of labelled training images for matchings.*.visibility.quantile")
        values = {part: 1.0 if known is None else _quantile(known, rule.quantile) for part, known in attention.items()}
        return self.model_copy(update={"visibility": PartThresholds(values=values)})


def _quantile(known: list[float], share: float) -> float:
    """Between the quantiles that are `known` at even steps from 0 to 1, linear."""
    place = share * (len(known) - 1)
    low = min(int(place), len(known) - 2)
    return known[low] + (place - low) * (known[low + 1] - known[low])


@with_config(ConfigDict(extra="forbid", strict=True))
class TableRow(TypedDict):
    """A row of a table; rows of one label share a line across datasets."""

    label: str
    dataset: str | Annotated[list[str], AfterValidator(named_once)]  # or several, a group of columns each
    model: str
    matching: str  # of the model's; of one with `separately` a single embedding, as in each/head
    group: NotRequired[str | Annotated[list[str], AfterValidator(named_once)]]  # of its queries
    published: NotRequired[str]  # label of the published row that it repeats; its own label if not given


def datasets_of(row: TableRow) -> list[str]:
    """The datasets that a row has numbers for."""
    return [row["dataset"]] if isinstance(row["dataset"], str) else row["dataset"]


def columns_of(row: TableRow) -> dict[str, tuple[str, str | None]]:
    """The groups of columns that a row fills, by name: a dataset, or one group of its queries."""
    groups = row.get("group")
    named = [groups] if isinstance(groups, str) else groups or [None]
    return {f"{dataset} {group or ''}".strip(): (dataset, group) for dataset in datasets_of(row) for group in named}


Datasets = Annotated[list[Name], AfterValidator(named_once)]


class Matrix(Section):
    """A model trained on each of some datasets, a row each, that searches each of others, a group of columns each."""

    trained_on: Datasets  # datasets with a training half, or combinations
    searched_in: Datasets  # datasets with query and gallery
    model: Name
    matching: Name  # as of rows


class Table(Section):
    """A table: which rows it shows."""

    title: str
    heading: str = "Method"  # of the first column
    rows: list[TableRow] = []
    matrix: Matrix | None = None  # in place of rows
    seeds: Seeds | None = None  # null: the dataset's
    published: Literal["table1", "table2", "table3", "table4"] | None = None  # of the paper, whose rows stand first
    reference: str | None = None  # label of the row to which the others are compared, seed by seed
    tolerance: Annotated[float, Field(ge=0)] | None = None  # points from a published number that need no mark

    @model_validator(mode="after")
    def _has_rows_or_a_matrix(self) -> "Table":
        if bool(self.matrix) == ("rows" in self.model_fields_set):
            raise ValueError("give `rows` or a `matrix`, and not both")
        return self


class Pictures(Section):
    """How much the pictures show (rules rank and attention)."""

    queries: Count  # with their first gallery images
    images: Count  # with their attention maps
