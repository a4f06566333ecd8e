"""Write a table of results as CSV, Markdown and LaTeX, and print it."""

import argparse
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import read_json, write_text
from reid.config.table_stages import TabulateConfig
from reid.report.table_formats import comma_separated, markdown, tex
from reid.report.tables import lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: table, missing")
    parser.add_argument("--metrics", type=Path, nargs="*", default=[], help="metrics.json of the rows' models")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--markdown", type=Path, required=True)
    parser.add_argument("--tex", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    settings = TabulateConfig.model_validate_json(arguments.config)
    rows = lines(settings.table, [_read(path) for path in arguments.metrics])
    page = markdown(settings.table, rows, settings.missing)
    write_text(arguments.csv, comma_separated(rows))
    write_text(arguments.tex, tex(settings.table, rows, settings.missing))
    write_text(arguments.markdown, page)
    print(page)


def _read(path: Path) -> dict:
    content = read_json(path, "summarise")
    if not {"dataset", "model", "results"} <= set(content):
        raise UserError(f"{path}: has no dataset, model and results; run summarise again")
    return content
