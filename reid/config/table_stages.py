"""What each stage of a table is told, as `reid.config.stages` has it for the others. Light: every dry run loads it."""

from collections.abc import Iterable
from typing import Self

from artefacts.config import StageConfig
from reid.config.model_names import entry_of
from reid.config.report import Table, datasets_of
from reid.config.root import Config


class TabulateConfig(StageConfig):
    """A table, and the user's files for lack of which some of its rows are not run."""

    table: Table
    missing: list[str]

    @classmethod
    def of(cls, config: Config, table: str, missing: Iterable[str]) -> Self:
        return cls(table=config.table(table), missing=list(missing))


class RowToCompare(StageConfig):
    """A row of a table on one dataset: the seeds that it is the mean of, and whether its model's visibility counts."""

    label: str
    dataset: str
    model: str
    matching: str
    seeds: list[int]
    sees_parts: bool


class CompareConfig(StageConfig):
    """The rows of a table that are compared."""

    title: str
    rows: list[RowToCompare]

    @classmethod
    def of(cls, config: Config, table: str, cells: Iterable[tuple[str, str]]) -> Self:
        """`cells`: dataset and model of the rows."""
        entry, cells = config.table(table), set(cells)
        rows = [
            RowToCompare(
                **{key: row[key] for key in ("label", "model", "matching")},
                dataset=dataset,
                seeds=[seed for seed in config.seeds_of(row["model"], dataset) if seed in (entry.seeds or [seed])],
                sees_parts=config.model(row["model"]).sees_parts,
            )
            for row in entry.rows
            for dataset in datasets_of(row)
            if (dataset, row["model"]) in cells
        ]
        return cls(title=entry.title, rows=rows)


class AccountConfig(StageConfig):
    """Which models made a table, by dataset."""

    title: str
    models: dict[str, list[str]]

    @classmethod
    def of(cls, config: Config, table: str, cells: Iterable[tuple[str, str]]) -> Self:
        """`cells`: dataset and model of the numbers; what their models are trained on is added."""
        models: dict[str, list[str]] = {}
        for dataset, model in cells:
            source = config.trained_on(model, dataset)
            for place in (dataset, *config.members(source)):
                models.setdefault(place, [])
            for place, name in ((dataset, model), (source, entry_of(model))):
                models[place] = list(dict.fromkeys([*models.get(place, []), name]))
        return cls(title=config.tables[table].title, models=models)
