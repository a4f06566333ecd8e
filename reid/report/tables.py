"""Tables of results: the paper's published rows, then ours as mean ± spread over seeds, worked out from metrics.json.

How they are written is in `reid.report.table_formats`.
"""

import json
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path

from artefacts.errors import UserError
from reid.config.report import columns_of
from reid.config.root import Table, TableRow

PUBLISHED = Path(__file__).with_name("published.json")
NOT_RUN, NOT_GIVEN = "not run", "–"
LATER = "later"  # runs of a published row that is no part of the paper


@dataclass(frozen=True)
class Result:
    """One method on one dataset: per measure its values in percent by seed; `asked` is how many seeds there are.

    `published` are the means to which ours are compared, and `tolerance` how many points apart they may be; `reference`
    is the result of the row to which the others of a table are compared.
    """

    values: dict[str, dict[int, float]]
    asked: int | None  # None: a published number, of unknown runs
    model: str = ""
    matching: str = ""
    recipe: str = ""
    batch_size: int | None = None
    published: dict[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    reference: "Result | None" = None
    later: bool = False  # a published number that appeared after the paper

    def mean(self, measure: str) -> float | None:
        return mean_of(self._all(measure))

    def spread(self, measure: str) -> float | None:
        """Sample standard deviation over seeds, where there are two or more."""
        return spread_of(self._all(measure))

    def gains(self, measure: str) -> list[float]:
        """Points by which this exceeds the reference, for each seed that both were run with."""
        theirs = self.reference.values.get(measure, {}) if self.reference else {}
        return [value - theirs[seed] for seed, value in self.values.get(measure, {}).items() if seed in theirs]

    def _all(self, measure: str) -> list[float]:
        return list(self.values.get(measure, {}).values())

    def difference(self, measure: str) -> float | None:
        """Points from the published number to our mean, where there are both."""
        mean, theirs = self.mean(measure), self.published.get(measure)
        return None if mean is None or theirs is None else round(mean - theirs, 6)

    def outside(self, measure: str) -> bool:
        """Whether our mean is farther from the published number than the tolerance."""
        difference = self.difference(measure)
        return difference is not None and self.tolerance is not None and abs(difference) > self.tolerance

    def shown(self, measure: str) -> str:
        """Mean ± spread to one decimal, and how far it is outside the tolerance; or why there is none."""
        mean, spread = self.mean(measure), self.spread(measure)
        if mean is None:
            return NOT_GIVEN if self.asked is None else NOT_RUN
        text = f"{mean:.1f}{_spread_shown(spread)}"
        return f"{text} ({self.difference(measure):+.1f})" if self.outside(measure) else text

    def shown_gain(self, measure: str) -> str:
        """Mean ± spread of the points by which this exceeds the reference, if there is something to compare."""
        points = self.gains(measure)
        return f"{mean_of(points):+.1f}{_spread_shown(spread_of(points))}" if points else NOT_GIVEN

    def runs(self) -> str:
        if self.asked is None:
            return LATER if self.later else "published"
        done = max(map(len, self.values.values()), default=0)
        return str(done) if done == self.asked else f"{done} of {self.asked}"


def mean_of(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def spread_of(values: list[float]) -> float | None:
    """Sample standard deviation, of two values or more."""
    return statistics.stdev(values) if len(values) > 1 else None


def _spread_shown(spread: float | None) -> str:
    return "" if spread is None else f" ± {spread:.1f}"


Line = tuple[str, dict[str, Result]]  # label, and by dataset its result


def lines(table: Table, metrics: list[dict]) -> list[Line]:
    """The rows of a table: published ones first, then ours, then what others published after the paper.

    Rows of one label share a line across datasets.

    `metrics` are the contents of metrics.json files; a row without a file is "not run". Raises UserError for a
    matching that the file does not hold, and for a published row that the paper's table does not have.
    """
    by_model = {(content["dataset"], content["model"]): content for content in metrics}
    theirs = published_lines(table.published, columns_of_table(table))
    ours: dict[str, dict[str, Result]] = {}
    for row in table.rows:
        published = _published_row(row, table, dict(theirs))
        for column, (dataset, group) in columns_of(row).items():
            content = by_model.get((dataset, row["model"]), {})
            result = _our_result(row, table, content, published.get(column), group)
            ours.setdefault(row["label"], {})[column] = result
    later = later_lines(table.published, columns_of_table(table))
    return _with_references([*theirs, *ours.items(), *later], table.reference)


def _with_references(rows: list[Line], reference: str | None) -> list[Line]:
    """The rows, each result with that of the row `reference` on its dataset: published numbers with published ones."""
    known = {
        (dataset, result.asked is None): result
        for label, results in rows
        for dataset, result in results.items()
        if label == reference
    }
    return [
        (label, {name: replace(one, reference=known.get((name, one.asked is None))) for name, one in results.items()})
        if label != reference
        else (label, results)
        for label, results in rows
    ]


def columns_of_table(table: Table) -> list[str]:
    """The datasets, or groups of a dataset's queries, of a table's columns, in the order of its rows."""
    return list(dict.fromkeys(column for row in table.rows for column in columns_of(row)))


def _published_row(row: TableRow, table: Table, theirs: dict[str, dict[str, Result]]) -> dict[str, Result]:
    """The published row that a row of ours repeats, by dataset; nothing if there is none."""
    if "published" in row and row["published"] not in theirs:
        known = ", ".join(theirs) or "none"
        raise UserError(f"table row {row['label']!r}: the paper has no row {row['published']!r}; it has {known}")
    return theirs.get(row.get("published", row["label"]), {})


def _our_result(row: TableRow, table: Table, content: dict, published: Result | None, group: str | None) -> Result:
    matching, results = row["matching"], content.get("results", {})
    if content and matching not in results:
        raise UserError(
            f"table row {row['label']!r}: {content['dataset']}/{row['model']} was not evaluated under {matching!r}; "
            f"add it to models.{row['model']}.extra_matchings, or choose one of {', '.join(results)}"
        )
    if content and group is not None:
        results = {matching: _of_group(row, content, group)}
    seeds = content.get("seeds", []) if table.seeds is None else table.seeds
    return Result(
        {measure: _of_seeds(summary["values"], seeds) for measure, summary in results.get(matching, {}).items()},
        len(seeds),
        row["model"],
        matching,
        content.get("recipe", ""),
        content.get("batch_size"),
        {measure: published.mean(measure) for measure in published.values} if published else {},
        table.tolerance,
    )


def _of_group(row: TableRow, content: dict, group: str) -> dict:
    """The measures of a group of queries. Raises UserError if there is no such group."""
    groups = content.get("groups", {}).get(row["matching"], {})
    if group not in groups:
        known = ", ".join(groups) or "no groups"
        raise UserError(
            f"table row {row['label']!r}: {content['dataset']}/{row['model']} has no queries of group {group!r}; "
            f"datasets.{content['dataset']}.query_groups gives {known}"
        )
    return groups[group]


def _of_seeds(values: dict[str, float], seeds: list[int]) -> dict[int, float]:
    """What was measured with these seeds, in percent."""
    return {seed: 100 * values[str(seed)] for seed in seeds if str(seed) in values}


def published_lines(name: str | None, datasets: list[str]) -> list[Line]:
    """Rows of the paper's table `name` (table1 to table4) that have a number for one of `datasets`.

    Our entries `occluded_duke` and `occluded_duke_six` both stand next to the paper's numbers of Occluded-Duke.
    """
    return [] if name is None else _lines_of(published()["tables"][name], datasets, later=False)


def later_lines(name: str | None, datasets: list[str]) -> list[Line]:
    """Rows that others published after the paper's table `name`, with a number for one of `datasets`, best last."""
    return _lines_of(published()["later"].get(name, []), datasets, later=True)


def _lines_of(rows: list[dict], datasets: list[str], later: bool) -> list[Line]:
    measures, found = published()["measures"], []
    for row in rows:
        given = {
            ours: numbers for ours in datasets for theirs, numbers in row.items() if f"{ours}_".startswith(f"{theirs}_")
        }
        if given:
            results = {ours: _published(measures, numbers, later) for ours, numbers in given.items()}
            found.append((row["label"], results))
    return found


def published() -> dict:
    """The paper's numbers, with their source and what of them could not be read."""
    return json.loads(PUBLISHED.read_text(encoding="utf-8"))


def _published(measures: list[str], numbers: list[float | None], later: bool) -> Result:
    given = zip(measures, numbers, strict=True)
    return Result({measure: {0: number} for measure, number in given if number is not None}, None, later=later)
