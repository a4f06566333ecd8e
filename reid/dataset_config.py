"""The configuration of datasets: where they lie, how they are drawn, labelled and trained. A part of `reid.config`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from parsing.config import Count, Section, Share, named_once

Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(named_once)]


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

    @model_validator(mode="after")
    def _backgrounds_can_be_cut(self) -> "Synthetic":
        if int(self.width * 1.15 * 256 / self.height) > 640:  # the widest window of a camera's place (synthetic.scenes)
            raise ValueError(f"height {self.height}: must be at least 0.46 of the width, {self.width}")
        return self


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
    seeds: Seeds = [1]  # one training each; results are their mean and spread
    synthetic: Synthetic | None = None
