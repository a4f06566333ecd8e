"""Tables of results: the paper's published rows, then ours as mean ± spread over seeds, in three formats."""

import csv
import io
import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from artefacts.errors import UserError
from reid.config import Table

PUBLISHED = Path(__file__).with_name("published.json")
SHOWN = {"rank-1": "R-1", "mAP": "mAP"}
MEASURES = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
NOT_RUN, NOT_GIVEN = "not run", "–"


@dataclass(frozen=True)
class Result:
    """One method on one dataset: per measure its values in percent, one a seed; `asked` is how many seeds there are."""

    values: dict[str, list[float]]
    asked: int | None  # None: a published number, of unknown runs
    model: str = ""
    matching: str = ""

    def mean(self, measure: str) -> float | None:
        values = self.values.get(measure)
        return statistics.fmean(values) if values else None

    def spread(self, measure: str) -> float | None:
        """Sample standard deviation over seeds, where there are two or more."""
        values = self.values.get(measure, [])
        return statistics.stdev(values) if len(values) > 1 else None

    def shown(self, measure: str) -> str:
        """Mean ± spread to one decimal, or why there is none."""
        mean, spread = self.mean(measure), self.spread(measure)
        if mean is None:
            return NOT_GIVEN if self.asked is None else NOT_RUN
        return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"

    def runs(self) -> str:
        if self.asked is None:
            return "published"
        done = max(map(len, self.values.values()), default=0)
        return str(done) if done == self.asked else f"{done} of {self.asked}"


Line = tuple[str, dict[str, Result]]  # label, and by dataset its result


def lines(table: Table, metrics: list[dict]) -> list[Line]:
    """The rows of a table: published ones first, then ours; rows of one label share a line across datasets.

    `metrics` are the contents of metrics.json files; a row without a file is "not run". Raises UserError for a
    matching that the file does not hold.
    """
    by_model = {(content["dataset"], content["model"]): content for content in metrics}
    datasets = [row["dataset"] for row in table.rows]
    ours: dict[str, dict[str, Result]] = {}
    for row in table.rows:
        content = by_model.get((row["dataset"], row["model"]), {})
        ours.setdefault(row["label"], {})[row["dataset"]] = _our_result(row, content, table.seeds)
    return [*published_lines(table.published, datasets), *ours.items()]


def _our_result(row: dict[str, str], content: dict, seeds: list[int] | None) -> Result:
    matching = row["matching"]
    if content and matching not in content["results"]:
        raise UserError(
            f"table row {row['label']!r}: {row['dataset']}/{row['model']} was not evaluated under {matching!r}; "
            f"add it to models.{row['model']}.also, or choose one of {', '.join(content['results'])}"
        )
    seeds = content.get("seeds", []) if seeds is None else seeds
    measured = content.get("results", {}).get(matching, {})
    values = {
        measure: [100 * measured[measure]["values"][str(seed)] for seed in seeds if str(seed) in summary["values"]]
        for measure, summary in measured.items()
    }
    return Result(values, len(seeds), row["model"], matching)


def published_lines(name: str | None, datasets: list[str]) -> list[Line]:
    """Rows of the paper's table `name` (table1 to table4) that have a number for one of `datasets`.

    Our entries `occluded_duke` and `occluded_duke_six` both stand beside the paper's numbers of Occluded-Duke.
    """
    if name is None:
        return []
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    found = []
    for row in content["tables"][name]:
        given = {
            ours: numbers for ours in datasets for theirs, numbers in row.items() if f"{ours}_".startswith(f"{theirs}_")
        }
        results = {ours: _published(content["measures"], numbers) for ours, numbers in given.items()}
        if results:
            found.append((row["label"], results))
    return found


def _published(measures: list[str], numbers: list[float | None]) -> Result:
    given = zip(measures, numbers, strict=True)
    return Result({measure: [number] for measure, number in given if number is not None}, None)


def markdown(table: Table, rows: list[Line]) -> str:
    """The table in Markdown, with a note on what the numbers are."""
    header, body = _grid(table, rows)
    ruled = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in ruled)
    return f"**{table.title}**\n\n{text}\n\n{_note(table)}\n"


def tex(table: Table, rows: list[Line]) -> str:
    """The table as LaTeX (package booktabs)."""
    header, body = _grid(table, rows)
    ruled = ["\\toprule", _tex_line(header), "\\midrule", *map(_tex_line, body), "\\bottomrule"]
    columns = "l" + "r" * (len(header) - 1)
    return "\n".join(
        [
            "\\begin{table}\n\\centering",
            f"\\caption{{{_escaped(table.title)}. {_escaped(_note(table))}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            *ruled,
            "\\end{tabular}\n\\end{table}\n",
        ]
    )


def comma_separated(rows: list[Line]) -> str:
    """One line a label and dataset with all measures in percent, mean and spread; empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    spreads = [f"{measure} spread" for measure in MEASURES]
    writer.writerow(["label", "dataset", "model", "matching", "runs", *MEASURES, *spreads])
    for label, results in rows:
        for dataset, result in results.items():
            numbers = [result.mean(measure) for measure in MEASURES] + [result.spread(measure) for measure in MEASURES]
            shown = ["" if number is None else f"{number:.3f}" for number in numbers]
            writer.writerow([label, dataset, result.model, result.matching, result.runs(), *shown])
    return text.getvalue()


def _grid(table: Table, rows: list[Line]) -> tuple[list[str], list[list[str]]]:
    datasets = list(dict.fromkeys(row["dataset"] for row in table.rows))
    prefix = {dataset: f"{dataset} " if len(datasets) > 1 else "" for dataset in datasets}
    header = ["Method", *(prefix[dataset] + name for dataset in datasets for name in (*SHOWN.values(), "runs"))]
    return header, [
        [label, *(cell for dataset in datasets for cell in _cells(results.get(dataset)))] for label, results in rows
    ]


def _cells(result: Result | None) -> list[str]:
    if result is None:
        return [NOT_GIVEN] * (len(SHOWN) + 1)
    return [*(result.shown(measure) for measure in SHOWN), result.runs()]


def _note(table: Table) -> str:
    ours = "In percent; mean ± sample standard deviation over runs, one a seed."
    if table.published is None:
        return ours
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    left_out = content["left_out"].get(table.published)
    remark = f"; {left_out}" if left_out else ""
    return f"{ours} Published rows: {table.published} of {content['source']}{remark}."


def _tex_line(cells: list[str]) -> str:
    return " & ".join(map(_escaped, cells)) + " \\\\"


def _escaped(text: str) -> str:
    for plain, escaped in {"&": "\\&", "%": "\\%", "_": "\\_", "#": "\\#", "±": "$\\pm$", "–": "--"}.items():
        text = text.replace(plain, escaped)
    return text.replace("“", "``").replace("”", "''")
