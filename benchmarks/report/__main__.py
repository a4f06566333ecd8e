"""Write what docs/speed.md and README.md say of speed from benchmarks/kept/, after keeping the reports that are named.

python -m benchmarks.report [benchmarks/results/evaluation.json …]
"""

import argparse
import ast
import json
import shutil
import textwrap
from pathlib import Path

from tabulate import tabulate

from artefacts.files import write_text
from benchmarks.report import PROJECT

KEPT = PROJECT / "benchmarks/kept"
PAGE, README = PROJECT / "docs/speed.md", PROJECT / "README.md"
ALIGNED = ("left", "left", "right", "right", "right", "right")
BEGIN, END = "<!-- from here: make speed-docs -->", "<!-- to here -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("keep", nargs="*", type=Path, metavar="REPORT", help="of a benchmark, to keep before")
    for report in parser.parse_args().keep:
        shutil.copyfile(report, KEPT / report.name)
    for path, block in BLOCKS.items():
        write_text(path, page(path.read_text(), block(reports(KEPT))))


def reports(folder: Path) -> dict[str, dict]:
    """Kept reports by the names of their programs."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def page(text: str, block: str) -> str:
    """The page with the block between its two marks."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def tables(found: dict[str, dict]) -> str:
    """A table of all rows, and one of where each program ran."""
    rows = [line(program, row) for program, report in found.items() for row in report["rows"]]
    headers = ["`benchmarks/`", "what", "usual way", "ours", "ratio", "wanted"]
    ran = [(f"`{program}.py`", about(program), *where(report["measured"])) for program, report in found.items()]
    return "\n\n".join(
        [
            tabulate(rows, headers, "pipe", colalign=ALIGNED, disable_numparse=True),
            tabulate(ran, ["`benchmarks/`", "compares", "on", "at commit"], "pipe", disable_numparse=True),
        ]
    )


def preparation(found: dict[str, dict]) -> str:
    """What is done with 30,000 images before the first of them is labelled; nothing, until it is measured."""
    if "processes" not in found:
        return ""
    rows = found["processes"]["rows"]
    listed, checked, planned = (number(row["ours"]) for row in rows if row["what"].startswith("30,000 images, "))
    return textwrap.fill(
        f"A dataset of 30,000 images is listed in {listed} CPU seconds and checked in {checked}; a dry run of all that "
        f"is made of it takes {planned} (`benchmarks/processes.py`).",
        120,
    )


def line(program: str, row: dict) -> tuple[str, ...]:
    wanted = f"{row['target']:.3g}" if row.get("target") else f"at most {row['most']:.4g}" if row.get("most") else ""
    return f"`{program}.py`", row["what"], *(number(row[key]) for key in ("theirs", "ours", "ratio")), wanted


def number(value: float | None) -> str:
    """Three figures; four about 1, where a hundredth is what counts."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" if 0.95 < value < 1.05 else f"{value:.3g}"


def where(measured: dict) -> tuple[str, str]:
    said = f" ({measured['note']})" if "note" in measured else ""
    return measured["processor"], f"{measured['commit']}{said}"


def about(program: str) -> str:
    """What a program says of itself in a line."""
    text = (PROJECT / f"benchmarks/{program}.py").read_text()
    return " ".join(ast.get_docstring(ast.parse(text)).split("\n\n")[0].split()).removesuffix(".")


BLOCKS = {PAGE: tables, README: preparation}

if __name__ == "__main__":
    main()
