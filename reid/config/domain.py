"""The configuration of a rendered dataset's domain: how its people, boxes and cameras differ from the plain renderer's.

Part of `reid.config`. At its default every key changes nothing.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from artefacts.config import Count, Section, Share


def _ascending(least_greatest: tuple[int, int]) -> tuple[int, int]:
    least, greatest = least_greatest
    if least > greatest:
        raise ValueError(f"[{least}, {greatest}]: must be a least and a greatest value; exchange them")
    return least_greatest


Heights = Annotated[tuple[Annotated[int, Field(ge=16)], Count], AfterValidator(_ascending), "least, greatest"]
Qualities = Annotated[
    tuple[Annotated[int, Field(ge=1, le=95)], Annotated[int, Field(ge=1, le=95)]],
    AfterValidator(_ascending),
    "least, greatest",
]


class Domain(Section):
    """The gap between a rendered dataset and the people on whom PifPaf was trained; seeded by `synthetic.seed`."""

    # People, who stay the same from image to image (reid.synthetic.outfits)
    builds: Share = 0.0  # how far legs, trunk, shoulders and girth depart from the plain proportions
    coats: Share = 0.0  # of people in a coat, dress or poncho, whose outline does not follow the limbs
    hats: Share = 0.0  # of people with a brimmed hat, hood or helmet
    bags: Share = 0.0  # of people with a trolley, shopping bags, a large rucksack, or a parcel before the chest
    bicycles: Share = 0.0  # of people who push a bicycle

    # Boxes, as of a detector (reid.synthetic.boxes)
    box_shift: Share = 0.0  # largest shift of a box, as a share of its sides
    box_enlarged: Share = 0.0  # of boxes that are too large, by up to 60 %
    half_bodies: Share = 0.0  # of boxes without an occluder that end between hips and knees; never of queries

    # What stands in front
    textures: Share = 0.0  # of occluders that show bricks, a poster, a fence, leaves or another camera's place

    # Cameras and their images (reid.synthetic.photograph)
    casts: Share = 0.0  # largest departure of a camera's red, green and blue gain from 1
    exposure: Annotated[float, Field(ge=0, le=3)] = (
        0.0  # largest number of stops a camera is over or under; images: a third
    )
    motion_blur: Share = 0.0  # length of the longest blur, as a share of the image's height
    resolution: Heights | None = None  # pixels of height to which images are reduced before they are enlarged again
    sensor_noise: Annotated[float, Field(ge=0, le=64)] = 0.0  # largest standard deviation of 0..255, at that resolution
    jpeg: Qualities | None = None  # quality of the JPEG at that resolution
