"""Images as people have them - paths, PIL images, arrays, one tensor - as uint8 batches at a network's size."""

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from artefacts.images import UnreadableImage, read_rgb, to_rgb
from reid.data.images import resized

OneImage = str | PathLike | Image.Image | np.ndarray
Images = OneImage | Iterable[OneImage] | Tensor


class Batch(NamedTuple):
    """B images: names (paths, or numbers in the order given) and pixels; and those that could not be read, with why."""

    names: list[str]
    pixels: UInt8[Tensor, "B 3 H W"]
    failed: dict[str, str]


def batches(images: Images, size: tuple[int, int], bgr: bool, batch_size: int) -> Iterator[Batch]:
    """The images at `size` (height, width), `batch_size` at a time; the last batch may be empty but for failures.

    A tensor holds images [N, 3, H, W] or one [3, H, W], uint8 or float 0..1; an array is [H, W, 3] or grey [H, W],
    uint8; `bgr` says that arrays and tensors have their channels in OpenCV's order. Raises TypeError for anything else.
    """
    names, pixels, failed = [], [], {}
    for number, image in enumerate(_each(images)):
        name = str(Path(image)) if isinstance(image, str | PathLike) else str(number)
        try:
            pixels.append(resized(_pixels(image, bgr), size))
            names.append(name)
        except UnreadableImage as error:
            failed[name] = str(error)
        if len(names) == batch_size:
            yield _batch(names, pixels, failed, size)
            names, pixels, failed = [], [], {}
    if names or failed:
        yield _batch(names, pixels, failed, size)


def _batch(names: list[str], pixels: list[np.ndarray], failed: dict[str, str], size: tuple[int, int]) -> Batch:
    stacked = np.stack(pixels) if pixels else np.zeros((0, *size, 3), np.uint8)
    return Batch(names, torch.from_numpy(stacked).permute(0, 3, 1, 2), failed)


def _each(images: Images) -> Iterable[OneImage | Tensor]:
    if isinstance(images, str | PathLike | Image.Image):
        return [images]
    if isinstance(images, Tensor):
        return [images] if images.ndim == 3 else images
    if isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (3, 4))):
        return [images]
    return images


def _pixels(image: OneImage | Tensor, bgr: bool) -> np.ndarray:
    """RGB pixels [H, W, 3] uint8."""
    if isinstance(image, str | PathLike):
        return np.array(read_rgb(Path(image)))
    if isinstance(image, Image.Image):
        return np.array(to_rgb(image))
    if isinstance(image, Tensor):
        image = _from_tensor(image)
    if not isinstance(image, np.ndarray):
        raise TypeError(f"an image is a path, a PIL image, an array or a tensor, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise TypeError(f"an array of pixels is [H, W, 3] or [H, W] of uint8, not {list(image.shape)} of {image.dtype}")
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if image.shape[2] != 3:
        raise TypeError(f"an array of pixels has 3 channels (RGB, or BGR with bgr=True), not {image.shape[2]}")
    return np.ascontiguousarray(image[:, :, ::-1] if bgr else image)


def _from_tensor(image: Tensor) -> np.ndarray:
    if image.ndim != 3 or image.shape[0] != 3:
        raise TypeError(f"a tensor of images is [N, 3, H, W] or [3, H, W]; one image is {list(image.shape)}")
    if image.is_floating_point():
        low, high = image.aminmax()
        if low < 0 or high > 1:
            raise TypeError(f"a float tensor of images lies within 0..1, not {low:.3g}..{high:.3g}")
        image = (image * 255).round()
    return image.to(torch.uint8).permute(1, 2, 0).cpu().numpy()
