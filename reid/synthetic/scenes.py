"""What surrounds the people: each camera's place, light and sensor, and the objects that stand in front."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reid.synthetic.people import CLOTHES

SUPERSAMPLED_SCENE = (640, 480)  # width, height of a camera's place, from which crops are cut


@dataclass(frozen=True)
class Camera:
    """One camera: the picture of its place, its pitch (radians), colour cast, gamma, noise (0..255), and its light."""

    place: Image.Image
    pitch: float
    cast: np.ndarray
    gamma: float
    noise: float
    blur: float
    light: np.ndarray

    def background(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A random window of the place, [H, W, 3] 0..255, for an image of `size` (width, height)."""
        width, height = size
        scale = rng.uniform(0.75, 1.15) * 256 / height
        window = (int(width * scale), int(height * scale))
        left = rng.integers(0, self.place.width - window[0] + 1)
        top = rng.integers(0, self.place.height - window[1] + 1)
        box = (left, top, left + window[0], top + window[1])
        return np.asarray(self.place.resize(size, Image.Resampling.BILINEAR, box=box))

    def expose(self, colour: np.ndarray, rng: np.random.Generator) -> Image.Image:
        """The sensor's picture of `colour` [H, W, 3]: cast, gamma, brightness, blur and noise."""
        light = np.clip(colour * self.cast * rng.uniform(0.85, 1.12) / 255, 0, 1) ** self.gamma
        image = Image.fromarray((light * 255).astype(np.uint8))
        image = image.filter(ImageFilter.GaussianBlur(self.blur * rng.uniform(0.6, 1.4)))
        noisy = np.asarray(image, np.float32) + rng.normal(0, self.noise, (*colour.shape[:2], 1)).astype(np.float32)
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def make_camera(seed: list[int]) -> Camera:
    """The camera that belongs to `seed`: street, hall or park, by the last number of the seed."""
    rng = np.random.default_rng(seed)
    build = (_street, _hall, _park)[seed[-1] % 3]
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([0.5 * np.cos(angle), -0.6, 0.62])
    return Camera(
        place=_soil(build(rng), rng),
        pitch=float(rng.uniform(0.05, 0.3)),
        cast=rng.uniform(0.86, 1.12, 3).astype(np.float32),
        gamma=float(rng.uniform(0.85, 1.2)),
        noise=float(rng.uniform(2, 7)),
        blur=float(rng.uniform(0.4, 0.8)),
        light=light / np.linalg.norm(light),
    )


def _canvas(rng: np.random.Generator, low: int, high: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", SUPERSAMPLED_SCENE, _colour(rng, low, high))
    return image, ImageDraw.Draw(image)


def _colour(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    grey = rng.integers(low, high)
    return tuple(int(value) for value in np.clip(grey + rng.integers(-18, 19, 3), 0, 255))


def _street(rng: np.random.Generator) -> Image.Image:
    """A brick wall with windows above a pavement, and some parked shapes."""
    image, pen = _canvas(rng, 110, 190)
    width, height = image.size
    kerb = int(height * rng.uniform(0.55, 0.7))
    for row, y in enumerate(range(0, kerb, 14)):
        for x in range(-30 + 15 * (row % 2), width, 30):
            pen.rectangle((x, y, x + 28, y + 12), fill=_colour(rng, 95, 150))
    for x in range(int(rng.integers(10, 60)), width, 120):
        pen.rectangle((x, 40, x + 60, 150), fill=_colour(rng, 40, 90), outline=_colour(rng, 170, 220), width=4)
    pen.rectangle((0, kerb, width, height), fill=_colour(rng, 90, 150))
    for x in range(-200, width + 200, 70):
        pen.line((x, kerb, x * 2 - width // 2, height), fill=_colour(rng, 70, 120), width=2)
    for _ in range(4):
        x, y = rng.integers(0, width), kerb + rng.integers(-60, 10)
        pen.rounded_rectangle((x, y, x + 110, y + 55), 18, fill=_colour(rng, 30, 200))
    return image


def _hall(rng: np.random.Generator) -> Image.Image:
    """Panels and doors above a tiled floor."""
    image, pen = _canvas(rng, 150, 225)
    width, height = image.size
    floor = int(height * rng.uniform(0.5, 0.65))
    for x in range(0, width, 64):
        pen.rectangle((x, 0, x + 62, floor), fill=_colour(rng, 150, 225))
    for x in range(int(rng.integers(0, 80)), width, 190):
        pen.rectangle((x, floor - 170, x + 80, floor), fill=_colour(rng, 60, 140))
        pen.ellipse((x + 66, floor - 90, x + 74, floor - 82), fill=_colour(rng, 190, 240))
    for row, y in enumerate(range(floor, height, 24)):
        for column, x in enumerate(range(0, width, 40)):
            shade = (90, 130) if (row + column) % 2 else (150, 200)
            pen.rectangle((x, y, x + 40, y + 24), fill=_colour(rng, *shade))
    return image


def _park(rng: np.random.Generator) -> Image.Image:
    """Trees and a fence above grass and a path."""
    image, pen = _canvas(rng, 170, 225)
    width, height = image.size
    ground = int(height * rng.uniform(0.5, 0.62))
    pen.rectangle((0, ground, width, height), fill=(90, 125, 65))
    for _ in range(260):
        x, y, r = rng.integers(0, width), rng.integers(0, ground), rng.integers(14, 46)
        green = int(rng.integers(50, 125))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(green // 2 + 12, green, green // 3 + 8))
    for x in range(0, width, 95):
        pen.rectangle((x + 20, ground - 200, x + 34, ground + 6), fill=(88, 62, 42))
    for x in range(0, width, 22):
        pen.rectangle((x, ground - 50, x + 6, ground + 4), fill=(150, 120, 85))
    pen.polygon([(120, height), (300, ground), (350, ground), (560, height)], fill=(170, 155, 125))
    return image


def _soil(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture with large soft stains and fine grain, so that no surface is a single colour."""
    pixels = np.asarray(image, np.float32)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16), dtype=np.uint8)).resize(
        image.size, Image.Resampling.BICUBIC
    )
    stains = (np.asarray(coarse, np.float32)[..., None] - 128) * 0.22
    return Image.fromarray((pixels + stains + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))


def draw_occluder(
    size: tuple[int, int], body: tuple[float, float, float], severity: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An object in front of a person: mask [H, W] bool and colours [H, W, 3].

    `size` is (width, height) of the image; `body` is (x of the middle, y of the head, y of the feet) in pixels. With a
    `severity` (0..1) the object hides whole parts: all that lies below the waist or knees, above the chest or waist,
    or to one side, and the more the higher it is. Without one it covers an edge or a limb.
    """
    width, height = size
    middle, head, feet = body
    tall = feet - head
    image = Image.new("L", size)
    pen = ImageDraw.Draw(image)
    kind = rng.choice(["low", "side", "high"], p=[0.5, 0.22, 0.28])
    reach = float(rng.uniform(*_reach(kind, severity))) * tall
    if kind == "low":
        _low_object(pen, width, height, min(head + reach, height - 1), middle, rng)
    elif kind == "side":
        left = rng.random() < 0.5
        _side_object(pen, width, height, min(max(middle + (reach if left else -reach), 1), width - 1), left, rng)
    else:
        _high_object(pen, width, max(head + reach, 1), middle, rng)
    return np.asarray(image) > 0, _texture(size, rng)


def _reach(kind: str, severity: float | None) -> tuple[float, float]:
    """Between which shares of the body's height objects end: the top of a low one and the bottom of a high one,
    counted from the head; how far past the middle one at the side comes."""
    if severity is None:
        return {"low": (0.78, 0.93), "side": (-0.2, -0.1), "high": (0.03, 0.1)}[kind]
    visibility_margin = 1 - severity
    return {
        "low": (0.2 + 0.3 * visibility_margin, 0.5 + 0.15 * visibility_margin),
        "side": (-0.02 - 0.08 * visibility_margin, 0.09 - 0.07 * visibility_margin),
        "high": (0.32 - 0.08 * visibility_margin, 0.6 - 0.2 * visibility_margin),
    }[kind]


def _low_object(pen, width: int, height: int, top: float, middle: float, rng) -> None:
    shape = rng.choice(["box", "bush", "car", "bench", "cone"])
    if shape == "box":
        pen.rectangle((rng.uniform(-30, 0), top, width + rng.uniform(0, 30), height), fill=255)
    elif shape == "bush":
        for _ in range(60):
            x, r = rng.uniform(-10, width + 10), rng.uniform(0.09, 0.2) * width
            y = rng.uniform(top + r, height + r)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
        pen.rectangle((0, min(top + 0.25 * width, height), width, height), fill=255)
    elif shape == "car":
        left, right = -rng.uniform(0.1, 0.8) * width, width * rng.uniform(1.1, 1.8)
        pen.rounded_rectangle((left, top, right, height + 40), int(0.28 * width), fill=255)
    elif shape == "bench":
        gap = (height - top) * 0.16
        for row in range(6):
            pen.rectangle((-5, top + row * gap, width + 5, top + (row + 0.86) * gap), fill=255)
        pen.rectangle((0.1 * width, top, 0.2 * width, height), fill=255)
        pen.rectangle((0.8 * width, top, 0.9 * width, height), fill=255)
    else:
        spread = rng.uniform(0.35, 0.6) * width
        corners = [(middle - 0.6 * spread, top), (middle + 0.6 * spread, top), (middle + 1.3 * spread, height)]
        pen.polygon([*corners, (middle - 1.3 * spread, height)], fill=255)


def _side_object(pen, width: int, height: int, edge: float, left: bool, rng) -> None:
    if rng.random() < 0.5:
        pen.rectangle((-1, -1, edge, height) if left else (edge, -1, width, height), fill=255)
        return
    outline = [(edge + rng.uniform(-0.05, 0.05) * width, y) for y in np.linspace(-1, height + 1, 9)]
    side = -1 if left else width + 1
    pen.polygon([(side, -1), *outline, (side, height + 1)], fill=255)


def _high_object(pen, width: int, bottom: float, middle: float, rng) -> None:
    shape = rng.choice(["sign", "umbrella", "leaves"])
    if shape == "sign":
        pen.rectangle((-1, -1, width + 1, bottom), fill=255)
    elif shape == "umbrella":
        reach = rng.uniform(0.55, 0.8) * width
        pen.pieslice((middle - reach, bottom - 1.2 * reach, middle + reach, bottom + 1.2 * reach), 180, 360, fill=255)
        pen.rectangle((-1, -1, width + 1, max(0.0, bottom - 0.8 * reach)), fill=255)
    else:
        for _ in range(70):
            x, r = rng.uniform(-10, width + 10), rng.uniform(0.07, 0.16) * width
            y = rng.uniform(-r, max(bottom - r, 0))
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)


def _texture(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A surface of an object, [H, W, 3]: often of a cloth's colour, so that objects can pass for clothes."""
    width, height = size
    base = CLOTHES[rng.integers(len(CLOTHES))] + rng.normal(0, 12, 3)
    coarse = rng.integers(0, 256, (9, 6), dtype=np.uint8)
    stains = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.float32)[..., None] - 128
    ramp = np.linspace(1.12, 0.8, height)[:, None, None]
    grain = rng.normal(0, 7, (height, width, 1))
    ribs = 18 * (np.sin(np.arange(width) / rng.uniform(1.5, 9)) > 0)[None, :, None] * (rng.random() < 0.4)
    return (base * ramp + 0.2 * stains + grain + ribs).clip(0, 255).astype(np.float32)
