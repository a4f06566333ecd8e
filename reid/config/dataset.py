"""The configuration of datasets: where they are, how they are drawn, labelled and trained. Part of `reid.config`."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from artefacts.config import Count, Name, Section, Share, must_be_one_of, named_once
from artefacts.missing import is_missing
from parsing.config import ImageRoot, LabelledDataset
from reid.config.domain import Domain

Seeds = Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(named_once)]
OWN = ("names", "folders", "table")  # readers of images that follow no published layout
LAYOUTS = (
    Path(__file__).parents[1] / "data" / "readers" / "layouts"
)  # a module a layout; only their names are read here
READERS = (*sorted(path.stem for path in LAYOUTS.glob("[a-z]*.py")), *OWN)
TAKEN = {
    "market1501": {"distractor_folder"},
    "partial_reid": {"queries"},
    "names": {"pattern", "distractor_identity", "junk_identity"},
    "folders": {"pattern", "distractor_identity", "junk_identity"},
    "table": {"file", "distractor_identity", "junk_identity"},
}  # options of each reader
NEEDED = {"names": ("pattern", "identity"), "folders": (None, "camera"), "table": ("file", None)}  # option, its group
Finding = Literal[
    "absent", "one_camera", "no_cameras", "shared_identities", "copies", "contradictions", "single_images"
]  # what stage protocol may find wrong, besides unreadable images, about which `labels.unreadable` decides


def _known(reader: str) -> str:
    must_be_one_of("reader", reader, READERS)
    return reader


Reader = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(READERS)})]


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
    whole_queries: bool = False  # a second query of each identity and camera, in front of which nothing stands
    domain: Domain = Domain()  # how its people, boxes and cameras differ from those that PifPaf was trained on

    @model_validator(mode="after")
    def _backgrounds_can_be_cut(self) -> "Synthetic":
        if int(self.width * 1.15 * 256 / self.height) > 640:  # the widest window of a camera's place (synthetic.scenes)
            raise ValueError(f"height {self.height}: must be at least 0.46 of the width, {self.width}")
        return self


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error}); put it into single quotes") from None
    return pattern


class Options(Section):
    """What a reader wants to know besidess the root; each key belongs to the readers named."""

    pattern: Annotated[str, AfterValidator(_compiled)] | None = None  # names: of an image's path; folders: within one
    file: str | None = None  # table: CSV or Parquet with the columns path, identity and, if known, camera and split
    distractor_identity: str | None = None  # names, folders, table: the identity that stands for no particular person
    junk_identity: str | None = None  # names, folders, table: the identity of ignored images
    distractor_folder: str | None = None  # market1501: a folder of more people who are no query, as of the 500k
    queries: Literal["partial", "occluded"] | None = None  # partial_reid: which of its two kinds; null = partial

    @model_validator(mode="after")
    def _identities_have_one_meaning(self) -> "Options":
        both = self.distractor_identity, self.junk_identity
        if None not in both and (both[0] == both[1] or all(map(is_missing, both))):
            raise ValueError(f"junk_identity {both[1]!r}: is the distractor_identity too; keep one of them")
        return self


class Division(Section):
    """How images are divided where they do not say it themselves: by identity, then by camera."""

    train: Share = 0.5  # of the identities with at least two images
    queries: Count = 1  # images of each identity and camera; one at least stays in the gallery
    seed: int = 0


class ImageFolder(ImageRoot):
    """Where a dataset lies, how its names are read, and what must be there (stage manifest)."""

    reader: Reader
    options: Options = Options()  # of the reader
    split: Division | None = None  # names, folders, table
    trains_on: Name | None = None  # dataset whose training half serves, where this one has none
    expected: dict[Literal["train", "query", "gallery"], Count] = {}  # images of a complete copy

    @model_validator(mode="after")
    def _options_are_the_reader_s(self) -> "ImageFolder":
        given = {name for name, value in self.options if value is not None}
        for name in sorted(given - TAKEN.get(self.reader, set())):
            readers = [reader for reader, taken in TAKEN.items() if name in taken]
            raise ValueError(f"options.{name}: is an option of reader {' or '.join(readers)}, not of {self.reader}")
        needed, group = NEEDED.get(self.reader, (None, None))
        if needed and needed not in given:
            raise ValueError(f"options.{needed}: is missing; reader {self.reader} cannot do without it")
        pattern = self.options.pattern
        if pattern and group not in re.compile(pattern).groupindex:
            raise ValueError(f"options.pattern: has no group (?P<{group}>…), which tells the {group} of an image")
        if self.split and self.reader not in OWN:
            raise ValueError(f"split: {self.reader} is split as published; remove it, or use reader {' or '.join(OWN)}")
        return self


class Dataset(ImageFolder, LabelledDataset):
    """A dataset, and how it is labelled and trained."""

    query_groups: str | None = None  # CSV of columns key, group: queries that are measured apart too
    seeds: Seeds = [1]  # one training each; results are their mean and spread
    allow: list[Finding] = []  # findings of protocol.md that do not stop the workflow
    synthetic: Synthetic | None = None


def _several(names: list[str]) -> list[str]:
    if len(names) < 2:
        raise ValueError(f"{', '.join(names)} alone: name two datasets or more; one is trained on by its own name")
    return named_once(names)


class Combination(Section):
    """Datasets that are trained on together. It has no images of its own, and no query and gallery.

    Identities and cameras of the members are kept apart, whatever their numbers.
    """

    combines: Annotated[list[Name], AfterValidator(_several)]  # datasets with training halves and the same part scheme
    sampling: Literal["size", "even"] = "size"  # of batches: by how many images each has, or as many of each
    seeds: Seeds = [1]  # one training each
    trains_on: ClassVar[None] = None  # it is what others train on


def _kind(entry: object) -> str:
    combines = "combines" in entry if isinstance(entry, dict) else isinstance(entry, Combination)
    return "<combination>" if combines else "<images>"


# The tags are no keys: `artefacts.errors.first_problem` leaves them out.
DatasetEntry = Annotated[
    Annotated[Dataset, Tag("<images>")] | Annotated[Combination, Tag("<combination>")], Discriminator(_kind)
]
