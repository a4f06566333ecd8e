"""The configuration of labels that other programs made: where they lie and how they are read. As `parsing.config`."""

from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from artefacts.config import Section, Size, named_once

BodyPart = Literal[
    "background", "unknown", "head", "torso",
    "arms", "left_arm", "right_arm", "upper_arms", "lower_arms",
    "left_upper_arm", "right_upper_arm", "left_lower_arm", "right_lower_arm",
    "legs", "left_leg", "right_leg", "thighs", "shins", "left_thigh", "right_thigh", "left_shin", "right_shin",
    "feet", "left_foot", "right_foot",
]  # fmt: skip # left and right are the person's own; unknown = nothing is said about these pixels
Index = Annotated[int, Field(ge=0, le=255)]
PLACEHOLDERS = ("folder", "folder_above", "name", "stem")


def _indices_named_once(parser: dict[str, list[int]]) -> dict[str, list[int]]:
    named_once([index for indices in parser.values() for index in indices])
    return parser


# Which pixel values of a human parser's images show which part of the body.
Parser = Annotated[dict[BodyPart, list[Index]], AfterValidator(_indices_named_once)]


def _names_each_image(template: str) -> str:
    try:
        fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ValueError(f"{template!r} is no template ({error})") from None
    if foreign := sorted(fields - set(PLACEHOLDERS)):
        raise ValueError(f"{template!r}: {{{foreign[0]}}} is not one of {', '.join(PLACEHOLDERS)}")
    if not fields & {"name", "stem"}:
        raise ValueError(f"{template!r} names one file for many images; it needs {{name}} or {{stem}}")
    if template.startswith("/") or ".." in template.split("/"):
        raise ValueError(f"{template!r} leads outside the folder of the labels")
    return template


# Path of an image's label file below the folder of the labels. For the image a/b/1.jpg {folder} is a/b,
# {folder_above} a, {name} 1.jpg and {stem} 1.
FileTemplate = Annotated[str, AfterValidator(_names_each_image)]


class _Source(Section):
    path: str  # of the labels: a folder, or one file
    size: Size  # at which images are labelled; a label cell is 4 x 4 of these pixels


class ConfidenceFiles(_Source):
    """PifPaf's 36 maps, a .npy file an image, as the authors released them."""

    kind: Literal["confidence_npy"]
    file: FileTemplate


class KeypointFiles(_Source):
    """COCO keypoints from any pose estimator: one JSON file, or one an image."""

    kind: Literal["coco_json"]
    file: FileTemplate | None = None  # null: `path` is one file for all images
    images: str | None = None  # a COCO file whose list of images names the numbers in `image_id`
    third: Literal["score", "visibility"] | None = None  # after x and y; null: visibility where annotations are listed


class PartFiles(_Source):
    """Part numbers of a human parser, a PNG an image."""

    kind: Literal["part_png"]
    file: FileTemplate
    parser: str  # entry of `parsers`


LabelsFrom = Annotated[ConfidenceFiles | KeypointFiles | PartFiles, Field(discriminator="kind")]
