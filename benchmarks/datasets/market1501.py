"""A folder like that of Market-1501, of any size, made in seconds: names, splits and cameras, of no person."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (64, 128)  # width, height
CAMERAS, IMAGES = 6, 20  # of an identity
START = b"\xff\xd8"  # of a JPEG; a comment may follow


def fabricate(folder: Path, images: int) -> None:
    """`images` JPEGs, 20 of an identity: half of the identities are trained on; of the others' 2 in 20 are queries.

    Every file is another: they differ by a comment, so that only one picture is compressed. `images` must be a multiple
    of 40.
    """
    if images % (2 * IMAGES):
        raise ValueError(f"{images} images are not as many for both halves of the identities")
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        (folder / part).mkdir(parents=True)
    picture = _picture()
    for number, key in enumerate(_keys(images // IMAGES)):
        (folder / key).write_bytes(_commented(picture, f"{number}".encode()))


def _keys(identities: int) -> Iterator[str]:
    for identity in range(1, identities + 1):
        for number in range(IMAGES):
            tested = "query" if number < 2 else "bounding_box_test"
            part = "bounding_box_train" if identity <= identities // 2 else tested
            yield f"{part}/{identity:04}_c{number % CAMERAS + 1}s1_{number:06}_00.jpg"


def _picture() -> bytes:
    """A JPEG about as large as one of Market-1501: coarse noise."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def _commented(jpeg: bytes, comment: bytes) -> bytes:
    return START + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg.removeprefix(START)
