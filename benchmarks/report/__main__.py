"""Write the tables of docs/speed.md from the reports in benchmarks/kept/, after keeping those that are named.

python -m benchmarks.report [benchmarks/results/evaluation.json …]
"""

import argparse
import ast
import json
import shutil
from pathlib import Path

from tabulate import tabulate

from artefacts.files import write_text
from benchmarks.report import PROJECT

KEPT = PROJECT / "benchmarks/kept"
PAGE = PROJECT / "docs/speed.md"
ALIGNED = ("left", "left", "right", "right", "right", "right")
BEGIN, END = "<!-- from here: make speed-docs -->", "<!-- to here -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("keep", nargs="*", type=Path, metavar="REPORT", help="of a benchmark, to keep before")
    for report in parser.parse_args().keep:
        shutil.copyfile(report, KEPT / report.name)
    write_text(PAGE, page(PAGE.read_text(), reports(KEPT)))


def reports(folder: Path) -> dict[str, dict]:
    """Kept reports by the names of their programs."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def page(text: str, found: dict[str, dict]) -> str:
    """The page with the tables of these reports between its two marks."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{after}"


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


if __name__ == "__main__":
    main()
