"""Tables of results as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from artefacts.files import harmless
from reid.config.root import Table
from reid.report.tables import LATER, NOT_GIVEN, Line, Result, columns_of_table, mean_of, published, spread_of

SHOWN = {"rank-1": "R-1", "mAP": "mAP"}
TRAINED = ("runs", "batch", "recipe")
COMPARED = "mAP"  # with the row of reference
MEASURES = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
SYMBOLS = {"±": "$\\pm$", "–": "--", "Δ": "$\\Delta$", "“": "``", "”": "''"}  # in LaTeX, besides what tabulate escapes
COLUMNS = ("label", "dataset", "model", "matching", "recipe", "batch size", "runs")


def markdown(table: Table, rows: list[Line], missing: list[str]) -> str:
    """The table in Markdown, with a note on what the numbers are and which `missing` files some are not run for."""
    return f"**{table.title}**\n\n{markdown_table(*_grid(table, rows))}\n\n{_note(table, rows, missing)}\n"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A Markdown table: the first column to the left, the others to the right, integers with thousands separators."""
    cells = [[cell.replace("|", "\\|") if isinstance(cell, str) else f"{cell:,}" for cell in line] for line in lines]
    return _laid_out([name.replace("|", "\\|") for name in header], cells, "pipe")


def tex(table: Table, rows: list[Line], missing: list[str]) -> str:
    """The same as LaTeX (package booktabs)."""
    caption = tabulate([[f"{table.title}. {_note(table, rows, missing)}"]], tablefmt="latex").splitlines()[2]
    text = [
        "\\begin{table}\n\\centering",
        f"\\caption{{{caption.strip().removesuffix(chr(92) * 2).strip()}}}",
        _laid_out(*_grid(table, rows), "latex_booktabs"),
        "\\end{table}\n",
    ]
    return "\n".join(text).translate(str.maketrans(SYMBOLS))


def _laid_out(header: list[str], body: list[list[str]], style: str) -> str:
    aligned = ["left", *["right"] * (len(header) - 1)]
    return tabulate(body, header, style, disable_numparse=True, colalign=aligned if body else None)


def comma_separated(rows: list[Line]) -> str:
    """One line a label and dataset with all measures in percent, mean and spread; empty where there is none.

    `difference` is ours less the published number, `outside` names the measures where that is beyond the tolerance;
    `gain` is a row less the row of reference, seed by seed.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    spreads, differences = ([f"{name} {what}" for name in MEASURES] for what in ("spread", "difference"))
    gain = [f"{COMPARED} gain", f"{COMPARED} gain spread"]
    writer.writerow([*COLUMNS, *MEASURES, *spreads, *differences, *gain, "outside"])
    for label, results in rows:
        for dataset, result in results.items():
            trained = ("" if result.batch_size is None else result.batch_size, result.runs())
            line = (label, dataset, result.model, result.matching, result.recipe, *trained)
            outside = " ".join(filter(result.outside, MEASURES))
            writer.writerow([*map(harmless, line), *_numbers(result), outside])
    return text.getvalue()


def _numbers(result: Result) -> list[str]:
    """All numbers of a line, in percent or points."""
    numbers = [of(measure) for of in (result.mean, result.spread, result.difference) for measure in MEASURES]
    gains = result.gains(COMPARED)
    return ["" if number is None else f"{number:.3f}" for number in (*numbers, mean_of(gains), spread_of(gains))]


def _grid(table: Table, rows: list[Line]) -> tuple[list[str], list[list[str]]]:
    datasets = columns_of_table(table)
    prefix = {dataset: f"{dataset} " if len(datasets) > 1 else "" for dataset in datasets}
    columns = [*SHOWN.values(), *([f"Δ {COMPARED}"] if table.reference else [])]
    header = [table.heading, *(prefix[dataset] + name for dataset in datasets for name in columns), *TRAINED]
    body = []
    for label, results in rows:
        measured = [_measured(results.get(dataset), table) for dataset in datasets]
        body.append([label, *(cell for cells in measured for cell in cells), *_trained(list(results.values()))])
    return header, body


def _measured(result: Result | None, table: Table) -> list[str]:
    """Measures and, if the table has a row of reference, what is gained over it."""
    if result is None:
        return [NOT_GIVEN] * (len(SHOWN) + bool(table.reference))
    return [*(result.shown(measure) for measure in SHOWN), *([result.shown_gain(COMPARED)] if table.reference else [])]


def _trained(results: list[Result]) -> list[str]:
    """Runs, batch size and recipe of a line, once if all of its datasets have the same."""
    runs = [result.runs() for result in results]
    batches = [str(result.batch_size) for result in results if result.batch_size]
    recipes = [result.recipe for result in results if result.recipe]
    return [", ".join(dict.fromkeys(values)) or NOT_GIVEN for values in (runs, batches, recipes)]


def _note(table: Table, rows: list[Line], missing: list[str]) -> str:
    sentences = ["In percent; mean ± sample standard deviation over runs, one a seed."]
    if table.published is not None:
        content = published()
        left_out = content["left_out"].get(table.published)
        remark = f"; {left_out}" if left_out else ""
        sentences.append(f"Published rows: {table.published} of {content['source']}{remark}.")
    if later := [one for one in published()["later"].get(table.published, []) if one["label"] in dict(rows)]:
        cited = "; ".join(f"{one['label']}: {one['source']}" for one in later)
        sentences.append(f"Rows marked {LATER} appeared after the paper, as their authors report them ({cited}).")
    if table.tolerance is not None:
        sentences.append(f"In brackets: points from the published row, where there are more than {table.tolerance}.")
    if table.reference is not None:
        sentences.append(f"Δ {COMPARED}: points above {table.reference}, seed by seed.")
    if missing:
        sentences.append(f"Not run, missing: {', '.join(missing)}.")
    return " ".join(sentences)
