"""What a street camera makes of a scene: functions from image to image, and the settings of a domain's cameras."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reid.config.domain import Domain


@dataclass(frozen=True)
class CameraLook:
    """What all images of one camera share: gain of red, green and blue [3], and exposure in stops."""

    gains: np.ndarray
    stops: float


def draw_look(domain: Domain, rng: np.random.Generator) -> CameraLook:
    """The look of one camera of the domain."""
    gains = 1 + domain.casts * rng.uniform(-1, 1, 3)
    return CameraLook(gains.astype(np.float32), float(domain.exposure * rng.uniform(-1, 1)))


def photograph(image: Image.Image, domain: Domain, look: CameraLook, rng: np.random.Generator) -> Image.Image:
    """The image as a camera of the domain takes it; its size stays."""
    stops = look.stops + domain.exposure / 3 * rng.uniform(-1, 1)
    image = expose(image, look.gains, stops)
    length, angle = domain.motion_blur * image.height * rng.uniform(0, 1) ** 2, rng.normal(0, 0.35)
    image = motion_blur(image, length, angle)
    size = image.size
    if domain.resolution:
        image = reduce(image, int(rng.integers(domain.resolution[0], domain.resolution[1] + 1)))
    image = add_noise(image, domain.sensor_noise * rng.uniform(0.2, 1), rng)
    if domain.jpeg:
        image = recompress(image, int(rng.integers(domain.jpeg[0], domain.jpeg[1] + 1)))
    return image.resize(size, Image.Resampling.BICUBIC) if image.size != size else image


def expose(image: Image.Image, gains: np.ndarray, stops: float) -> Image.Image:
    """The image with channels scaled by `gains` [3] and 2 to the power of `stops`; bright surfaces burn out."""
    if stops == 0 and np.all(gains == 1):
        return image
    return _image(np.asarray(image, np.float32) * gains * 2.0**stops)


def motion_blur(image: Image.Image, length: float, angle: float) -> Image.Image:
    """The mean of the image along a line of `length` pixels at `angle` radians from the horizontal."""
    steps = int(np.ceil(length))
    if steps < 2:
        return image
    pixels = np.asarray(image, np.float32)
    margin = steps // 2 + 1
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    total = np.zeros_like(pixels)
    for along in np.linspace(-length / 2, length / 2, steps):
        top, left = margin + round(along * np.sin(angle)), margin + round(along * np.cos(angle))
        total += padded[top : top + height, left : left + width]
    return _image(total / steps)


def reduce(image: Image.Image, height: int) -> Image.Image:
    """The image with so many pixels of height, or as it is if it has no more; sides keep their ratio."""
    if height >= image.height:
        return image
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.BOX)


def add_noise(image: Image.Image, deviation: float, rng: np.random.Generator) -> Image.Image:
    """The image with Gaussian noise, half of it alike in the three channels; `deviation` of 0..255."""
    if deviation == 0:
        return image
    pixels = np.asarray(image, np.float32)
    grey, coloured = rng.normal(0, deviation, (*pixels.shape[:2], 1)), rng.normal(0, deviation, pixels.shape)
    return _image(pixels + (grey + coloured) / np.sqrt(2))


def recompress(image: Image.Image, quality: int) -> Image.Image:
    """The image as JPEG of so much quality leaves it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
