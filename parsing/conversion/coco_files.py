"""COCO's two JSON layouts, results [{image_id, keypoints, score}, ...] and {images, annotations}, sorted by image."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from parsing.conversion.config import KeypointFiles
from parsing.conversion.label_files import Size, UnusableLabels

MOST_BYTES = 2**30  # of a JSON file: a million people


@dataclass(frozen=True)
class Document:
    """One JSON file: an entry for each person, and the list of images by their id if the file has one."""

    people: list[dict]
    images: dict[object, dict] | None


def read_document(path: Path) -> Document:
    """The content of a JSON file. Raises ValueError, naming the file, if it has neither layout."""
    content = _parsed(path)
    if isinstance(content, list):
        people, images = content, None
    elif isinstance(content, dict) and isinstance(content.get("images"), list):
        people, images = content.get("annotations", []), content["images"]
    else:
        raise ValueError(f"{path}: is neither a list of results nor has it lists of images and annotations")
    if not isinstance(people, list) or not all(isinstance(entry, dict) for entry in [*people, *(images or [])]):
        raise ValueError(f"{path}: holds something else than a list of people, each in braces")
    try:
        return Document(people, None if images is None else {image["id"]: image for image in images})
    except (KeyError, TypeError):
        raise ValueError(f"{path}: lists an image without an id") from None


def _parsed(path: Path) -> object:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path}: has more than {MOST_BYTES:,} bytes")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: is no JSON ({error})") from None


class PeopleByImage:
    """One file's people, by the images `keys` that they are in.

    A file_name, or an image_id that is a text, is an image's key, or the last part of one if no two images share it;
    an image_id that is a number is looked up in the list of images. Names of other images are passed over.
    Raises UserError if the file cannot be read, if a person's image cannot be told, or if it names none of the images.
    """

    def __init__(self, config: KeypointFiles, keys: list[str]) -> None:
        self.path = config.path
        try:
            document = read_document(Path(config.path))
            images = read_document(Path(config.images)).images if config.images else document.images
        except ValueError as error:
            raise UserError(str(error)) from None
        self.has_annotations = document.images is not None
        self._numbered, self._keys = images or {}, _Keys(config.path, keys)
        self._listed = {self._keys.find(image.get("file_name")): image for image in self._numbered.values()}
        self._people: dict[str | None, list[dict]] = defaultdict(list)
        for number, person in enumerate(document.people):
            self._people[self._keys.find(self._name(number, person))].append(person)
        if not (self._people.keys() | self._listed.keys()) - {None}:
            raise UserError(f"{self.path}: names none of the {len(keys)} images, such as {keys[0]}")

    def of(self, key: str, size: Size) -> list[dict]:
        """People in an image. Raises UnusableLabels if the file is not about it, or about another size of it."""
        image = self._listed.get(key)
        if self._listed and image is None:
            raise UnusableLabels(f"{self.path} does not list it among its images")
        given = (image or {}).get("width", size[0]), (image or {}).get("height", size[1])
        if given != size:
            raise UnusableLabels(f"it has {size[0]} x {size[1]} pixels, {self.path} says {given[0]} x {given[1]}")
        return self._people.get(key, [])

    def _name(self, number: int, person: dict) -> str:
        name = person.get("file_name", person.get("image_id"))
        if isinstance(name, int):
            name = self._numbered.get(name, {}).get("file_name")
        if not isinstance(name, str):
            raise UserError(
                f"{self.path}: entry {number}: its image_id {person.get('image_id')!r} names no image; set "
                "labels_from.images to the COCO file that lists the images"
            )
        return name


class _Keys:
    """Finds the image that a name means."""

    def __init__(self, path: str, keys: list[str]) -> None:
        self._path, self._keys = path, set(keys)
        self._by_last_part = defaultdict(list)
        for key in keys:
            self._by_last_part[PurePosixPath(key).name].append(key)

    def find(self, name: object) -> str | None:
        """The key of the image, None if there is no such image. Raises UserError if there are several."""
        if not isinstance(name, str) or name in self._keys:
            return name if isinstance(name, str) else None
        meant = self._by_last_part.get(PurePosixPath(name).name, [])
        if len(meant) > 1:
            raise UserError(
                f"{self._path}: {name!r} may be {meant[0]} or {meant[1]}; write the path below the dataset's root"
            )
        return meant[0] if meant else None
