"""Which stored embeddings a matching compares, and which of them count as visible."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from artefacts.errors import UserError
from reid.config.report import Matching, PartThresholds
from reid.embeddings.store import HOLISTIC, Joined, StoredSplit

UNDIVIDED = (*HOLISTIC, "concatenated")  # embeddings that are of no single part


class Side(NamedTuple):
    """One embedding of those images that show it: `images` [n], features [n, D], squared norms and visibility [n]."""

    images: np.ndarray
    features: np.ndarray
    squares: np.ndarray
    weights: np.ndarray

    def between(self, start: int, stop: int) -> "Side":
        """Of the images from `start` to `stop` alone, which are counted from `start` then."""
        inside = slice(*np.searchsorted(self.images, [start, stop]))
        images, *others = (values[inside] for values in self)
        return Side(images - np.uint32(start), *others)


@dataclass(frozen=True)
class Compared:
    """What counts of the N images of a split: P embeddings by their stored `columns`, with visibility `weights` [N, P].

    These are 0 or 1, or anything between where visibility is soft.
    """

    split: StoredSplit | Joined
    columns: dict[str, list[int]]
    weights: np.ndarray
    unit_length: bool

    @property
    def visible(self) -> np.ndarray:
        """Which embeddings [N, P] count at all."""
        return self.weights > 0

    def sides(self, stored: np.ndarray) -> Iterator[Side]:
        """Each compared embedding of the images of these numbers, which `Side.images` counts from zero.

        Raises UserError where a visible feature is not finite.
        """
        start, stop = (int(stored.min()), int(stored.max()) + 1) if len(stored) else (0, 0)
        for (name, columns), weights in zip(self.columns.items(), self.weights[stored].T, strict=True):
            images = np.flatnonzero(weights)
            features = _rows(self.split.features(columns, start, stop), stored[images] - start)
            if self.unit_length:
                features = normalised(features)
            squares = np.einsum("nd,nd->n", features, features)
            _check_finite(squares, self.split, name, stored[images])
            yield Side(images.astype(np.uint32), features, squares, weights[images])


def _rows(features: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    every = len(wanted) == len(features) and np.array_equal(wanted, np.arange(len(features)))
    return features if every else features[wanted]


def compared(split: StoredSplit, matching: Matching, names: list[str]) -> Compared:
    """What `matching` compares of a split whose embeddings have these `names`. Raises UserError for one it lacks."""
    columns = compared_columns(matching.embeddings, names)
    return Compared(split, columns, visibility_weights(split, columns, matching.visibility), matching.normalise)


def normalised(features: np.ndarray) -> np.ndarray:
    """Features [N, D] scaled to unit length; zero stays zero."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _check_finite(squares: np.ndarray, split: StoredSplit | Joined, name: str, stored: np.ndarray) -> None:
    if not np.isfinite(squares).all():
        key = split.key_of(stored[np.flatnonzero(~np.isfinite(squares))[0]])
        raise UserError(
            f"{split.path}: embedding {name!r} of {key} is not finite; the training diverged, or the file is damaged"
        )


def compared_columns(wanted: list[str], names: list[str]) -> dict[str, list[int]]:
    """The compared embeddings by name, each as the columns of the stored `names` that make it up.

    `parts` stands for every part; `concatenated` is one embedding made of all parts (f_c, Section 3.2.1). Raises
    UserError for a name that the model does not have, and for one that is asked for twice.
    """
    parts = names[len(HOLISTIC) :]
    columns: dict[str, list[int]] = {}
    for name in (single for item in wanted for single in (parts if item == "parts" else [item])):
        if name in columns:
            raise UserError(f"matchings: embedding {name!r} is asked for twice in {wanted}; name it once")
        if name != "concatenated" and name not in names:
            known = ", ".join([*HOLISTIC, "concatenated", "parts", *parts])
            raise UserError(f"matchings: the model has no embedding {name!r}; it has {known}")
        columns[name] = [names.index(part) for part in parts] if name == "concatenated" else [names.index(name)]
    if not columns:
        raise UserError("matchings: `embeddings` is empty; name at least one")
    return columns


def visibility_weights(
    split: StoredSplit, columns: dict[str, list[int]], rule: bool | str | PartThresholds
) -> np.ndarray:
    """Visibility scores [N, P] of the P compared embeddings by a matching's `visibility`, float32, 0..1.

    Holistic embeddings are always visible (v_g = v_f = v_c = 1, Section 3.2.2). Raises UserError for a part without a
    threshold where there are some.
    """
    weights = np.ones((len(split), len(columns)), np.float32)
    parts = {name: (place, column[0]) for place, (name, column) in enumerate(columns.items()) if name not in UNDIVIDED}
    if not rule or not parts:
        return weights
    places, stored = map(list, zip(*parts.values(), strict=True))
    if rule is True:
        weights[:, places] = split.visibility[:, stored]
    elif rule == "soft":
        weights[:, places] = split.score[:, stored]
    else:
        weights[:, places] = split.score[:, stored] > _thresholds(rule, list(parts))
    return weights


def _thresholds(rule: PartThresholds, parts: list[str]) -> np.ndarray:
    for part in parts:
        if part not in rule.values:
            raise UserError(f"matchings: visibility.values has no threshold for {part!r}; give one for each part")
    return np.array([rule.values[part] for part in parts], np.float32)


def separated(matching: Matching, names: list[str]) -> dict[str, Matching]:
    """One matching for each embedding alone, by its name (Table 3)."""
    return {
        name: matching.model_copy(update={"embeddings": [name], "separately": False})
        for name in compared_columns(matching.embeddings, names)
    }
