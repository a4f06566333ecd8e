"""Images and label files of other programs, as the converters are given them."""

import json
from pathlib import Path

import numpy as np

from parsing.store import FieldFile
from tests.labelling import SIZE, noise_image, stage, write_manifest

LIP = {
    "background": [0], "head": [1, 2, 13], "torso": [5], "arms": [3], "left_arm": [14], "right_arm": [15], "legs": [9],
    "left_leg": [16], "right_leg": [17], "left_foot": [18], "right_foot": [19], "unknown": [10],
}  # fmt: skip


def write_images(folder: Path, keys: list[str], size: tuple[int, int] = SIZE) -> None:
    """Pictures of (height, width) `size` below folder/images, and folder/manifest.csv, which lists them."""
    for number, key in enumerate(keys):
        path = folder / "images" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        noise_image(number, (max(8, size[0]), max(8, size[1]))).resize(size[::-1]).save(path)
    write_manifest(folder / "images", folder / "manifest.csv")


def convert(folder: Path, interpolation: str = "bilinear", **labels_from: object) -> int:
    """Exit status of stage convert, which writes folder/fields.h5."""
    parser = LIP if labels_from["kind"] == "part_png" else None
    labels_from = {"path": str(folder / "labels"), "size": SIZE} | labels_from
    config = {"root": str(folder / "images"), "labels_from": labels_from, "parser": parser}
    config |= {"interpolation": interpolation}
    return stage("convert", config=config, manifest=folder / "manifest.csv", fields=folder / "fields.h5")


def problems(folder: Path) -> dict[str, str]:
    """What the converted file says is wrong, by image."""
    file = FieldFile(folder / "fields.h5")
    return {key: file.problem(key) for key in file.keys if file.problem(key)}


def write_array(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def in_pixels(person: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A person [17, 3] of x / width, y / height in the pixels of an image of (height, width) `size`."""
    return person * (*size[::-1], 1)
