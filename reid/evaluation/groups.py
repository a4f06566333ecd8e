"""Groups of queries that are measured apart, such as occluded and whole ones: a CSV with the columns key and group."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from artefacts.errors import UserError
from reid.evaluation.ranking import Measures

COLUMNS = ["key", "group"]


def read_groups(path: Path) -> dict[str, str]:
    """The group of each listed query by its key, its path below the dataset's root; other columns are passed over.

    Raises UserError, naming file and line, if a column or value is missing or a query is listed twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); write a CSV with the columns key,group") from None
    if not lines or not set(COLUMNS) <= set(lines[0]):
        raise UserError(f"{path}: its first line must name the columns key and group")
    places, groups = [lines[0].index(column) for column in COLUMNS], {}
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if len(line) != len(lines[0]) or not all(line[place] for place in places):
            raise UserError(f"{path}, line {number}: does not give key and group; complete it")
        key, group = (line[place] for place in places)
        if key in groups:
            raise UserError(f"{path}, line {number}: {key} is listed twice; keep one line")
        groups[key] = group
    return groups


def by_group(measured: Measures, keys: Sequence[str], groups: dict[str, str], where: str) -> dict[str, dict]:
    """mAP, rank-k and mINP of each group's queries, and how many were measured; a group without any is left out.

    `keys` [Q] are those of the queries. Raises UserError, naming the file `where`, for a query without a group.
    """
    missing = [key for key in keys if key not in groups]
    if missing:
        raise UserError(f"{where}: has no group of query {missing[0]} ({len(missing)} missing); add a line for each")
    of_query = np.array([groups[key] for key in keys])
    chosen = {str(name): measured.measured & (of_query == name) for name in np.unique(of_query)}
    return {
        name: {"queries": int(mask.sum()), "measures": measured.of(mask).summary()}
        for name, mask in chosen.items()
        if mask.any()
    }
