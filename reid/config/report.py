"""The configuration of what is reported: matchings, tables and pictures. Part of `reid.config`."""

from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, model_validator, with_config
from typing_extensions import TypedDict

from artefacts.config import Count, Section, Share, named_once
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


class SingleShot(Section):
    """CMC in galleries of one image an identity, as on CUHK03."""

    repetitions: Count  # galleries sampled
    seed: Annotated[int, Field(ge=0)]  # of the draw


class Matching(Section):
    """How query and gallery features are compared (Eq. 9)."""

    embeddings: Annotated[list[str], AfterValidator(named_once)]  # of Embedding, or names of single parts
    visibility: bool  # compare mutually visible embeddings only; false sets every v to 1 (Table 2)
    normalise: bool = False  # features to unit length first
    separately: bool = False  # report each embedding alone instead of their mean (Table 3)
    nothing_in_common: Literal["infinity", "largest_plus_one"] = "infinity"  # distance where no part is seen in both
    rerank: Rerank | None = None  # null = not, as in the paper (Section 4.1)
    single_shot: SingleShot | None = None  # rank-k as on CUHK03; null = the whole gallery


@with_config(ConfigDict(extra="forbid", strict=True))
class TableRow(TypedDict):
    """A row of a table; rows of one label share a line across datasets."""

    label: str
    dataset: str | Annotated[list[str], AfterValidator(named_once)]  # or several, a group of columns each
    model: str
    matching: str  # of the model's; of one with `separately` a single embedding, as in each/head
    published: NotRequired[str]  # label of the published row that it repeats; its own label if not given


def datasets_of(row: TableRow) -> list[str]:
    """The datasets that a row has numbers for."""
    return [row["dataset"]] if isinstance(row["dataset"], str) else row["dataset"]


class Table(Section):
    """A table: which rows it shows."""

    title: str
    rows: list[TableRow]
    seeds: Seeds | None = None  # null: the dataset's
    published: Literal["table1", "table2", "table3", "table4"] | None = None  # of the paper, whose rows stand first
    reference: str | None = None  # label of the row to which the others are compared, seed by seed
    tolerance: Annotated[float, Field(ge=0)] | None = None  # points from a published number that need no mark


class Pictures(Section):
    """How much the pictures show (rules rank and attention)."""

    queries: Count  # with their first gallery images
    images: Count  # with their attention maps
