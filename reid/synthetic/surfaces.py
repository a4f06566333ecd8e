"""Textured occluders: surfaces that resemble scenes and clothes, and fences with gaps."""

import numpy as np
from PIL import Image, ImageDraw

from reid.synthetic.people import CLOTHES


def textured(
    occluder: tuple[np.ndarray, np.ndarray], place: Image.Image, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The occluder (mask [H, W] bool, colours [H, W, 3] 0..255) with a texture; a fence leaves gaps.

    `place` is the picture of some camera's place.
    """
    mask, colour = occluder
    height, width = mask.shape
    kind = str(rng.choice(["bricks", "poster", "place", "fence", "leaves"]))
    if kind == "place":
        return mask, _window(place, (width, height), rng)
    if kind == "fence":
        period, phase = int(rng.integers(7, 13)), int(rng.integers(0, 7))
        rails = (np.arange(height) % int(0.2 * height + 1) < 8)[:, None]
        bars = ((np.arange(width) + phase) % period < 0.75 * period)[None]
        return mask & (rails | bars), colour
    return mask, {"bricks": _bricks, "poster": _poster, "leaves": _leaves}[kind]((width, height), rng)


def _window(place: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    wide, high = (min(max(side // 2, 1), most - 1) for side, most in zip(size, place.size, strict=True))
    left, top = rng.integers(0, place.width - wide), rng.integers(0, place.height - high)
    box = (left, top, left + wide, top + high)
    return np.asarray(place.resize(size, Image.Resampling.BILINEAR, box=box), np.float32)


def _bricks(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    image, pen = _plain(size, rng)
    high = int(rng.integers(6, 18))
    wide, base = 2 * high, _colour(rng)
    for row, y in enumerate(range(0, size[1], high)):
        for x in range(-wide + (row % 2) * high, size[0], wide):
            shade = tuple(int(np.clip(value + rng.integers(-22, 23), 0, 255)) for value in base)
            pen.rectangle((x, y, x + wide - 2, y + high - 2), fill=shade)
    return np.asarray(image, np.float32)


def _poster(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Plates, discs and lines of writing."""
    image, pen = _plain(size, rng)
    for _ in range(int(rng.integers(3, 8))):
        x, y = rng.integers(-10, size[0]), rng.integers(-10, size[1])
        corners = (x, y, x + rng.integers(10, 70), y + rng.integers(10, 70))
        (pen.rectangle if rng.random() < 0.6 else pen.ellipse)(corners, fill=_colour(rng))
    for y in range(int(rng.integers(0, 12)), size[1], int(rng.integers(9, 22))):
        pen.line((8, y, rng.integers(20, max(size[0], 21)), y), fill=_colour(rng), width=3)
    return np.asarray(image, np.float32)


def _leaves(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    image, pen = _plain(size, rng)
    for _ in range(420):
        x, y, r, green = rng.integers(0, size[0]), rng.integers(0, size[1]), rng.integers(2, 9), rng.integers(40, 150)
        pen.ellipse((x - r, y - r // 2, x + r, y + r // 2), fill=(int(green) // 2, int(green), int(green) // 3))
    return np.asarray(image, np.float32)


def _plain(size: tuple[int, int], rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", size, _colour(rng))
    return image, ImageDraw.Draw(image)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    return tuple(int(value) for value in np.clip(CLOTHES[rng.integers(len(CLOTHES))] + rng.normal(0, 15, 3), 0, 255))
