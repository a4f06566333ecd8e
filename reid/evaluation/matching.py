"""Which stored embeddings a matching compares, and which of them count as visible."""

import numpy as np

from artefacts.errors import UserError
from reid.config import Matching
from reid.evaluation.store import HOLISTIC


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


def compared_visibility(stored: np.ndarray, columns: dict[str, list[int]], mutual: bool) -> np.ndarray:
    """Visibility [N, P] of the P compared embeddings, from what is `stored` [N, E] (Eq. 4).

    Holistic embeddings are always visible (v_g = v_f = v_c = 1), and everything is where visibility is not `mutual`
    (the row "w/o visibility scores" of Table 2).
    """
    visible = np.ones((len(stored), len(columns)), dtype=bool)
    if mutual:
        for position, (name, (column, *_)) in enumerate(columns.items()):
            if name not in (*HOLISTIC, "concatenated"):
                visible[:, position] = stored[:, column]
    return visible


def separated(matching: Matching, names: list[str]) -> dict[str, Matching]:
    """One matching for each embedding alone, by its name (Table 3)."""
    return {
        name: matching.model_copy(update={"embeddings": [name], "separately": False})
        for name in compared_columns(matching.embeddings, names)
    }
