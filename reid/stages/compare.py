"""Show the rows of a table side by side: as a page, as CMC curves, by visible parts, as reliability curves."""

import argparse
import csv
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import read_json, write_text
from reid.config.table_stages import CompareConfig, RowToCompare
from reid.report.comparison import ComparedRow, cmc_curves, precision_by_parts
from reid.report.pages import Cell, page, table
from reid.report.reliability import reliability_curves
from reid.report.style import write_svg

MEASURES = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: title, rows")
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], help="{dataset}/{model}/seed{seed}/{matching}.json files"
    )
    parser.add_argument("--table", type=Path, required=True, help="the table as CSV, from tabulate")
    parser.add_argument("--page", type=Path, required=True, help="output HTML")
    parser.add_argument("--cmc", type=Path, required=True, help="output SVG")
    parser.add_argument("--parts", type=Path, required=True, help="output SVG")
    parser.add_argument("--reliability", type=Path, required=True, help="output SVG")


def run(arguments: argparse.Namespace) -> None:
    settings = CompareConfig.model_validate_json(arguments.config)
    files = {path.parts[-4:]: path for path in arguments.metrics}
    rows = [
        ComparedRow(row.label, row.dataset, row.sees_parts, [_report(files, row, seed) for seed in row.seeds])
        for row in settings.rows
    ]
    write_svg(cmc_curves(rows, settings.title), arguments.cmc)
    write_svg(precision_by_parts(rows, settings.title), arguments.parts)
    write_svg(reliability_curves(rows, settings.title), arguments.reliability)
    write_text(arguments.page, page(settings.title, _as_html(arguments.table)))


def _as_html(path: Path) -> str:
    """All columns of the table, each measure as mean ± spread in percent."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    names = ("label", "dataset", "model", "matching", "runs")
    rows = [
        [*(line[name] for name in names), *(Cell(_measure(line, name), "number") for name in MEASURES)]
        for line in lines
    ]
    return table((*names, *MEASURES), rows)


def _measure(line: dict[str, str], name: str) -> str:
    mean, spread = line[name], line[f"{name} spread"]
    shown = f"{float(mean):.1f}" if mean else "–"
    return f"{shown} ± {float(spread):.1f}" if spread else shown


def _report(files: dict[tuple[str, ...], Path], row: RowToCompare, seed: int) -> dict:
    """What evaluate wrote of a row and seed; `each/head` is the result `head` of each.json."""
    matching, _, single = row.matching.partition("/")
    path = files.get((row.dataset, row.model, f"seed{seed}", f"{matching}.json"))
    if path is None:
        raise UserError(f"{row.dataset}/{row.model}/seed{seed}/{matching}.json is not among the metrics")
    results = read_json(path, "evaluate").get("results", {})
    if (single or matching) not in results:
        raise UserError(f"{path}: has no result {single or matching!r}; run stage evaluate again")
    return results[single or matching]
