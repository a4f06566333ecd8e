"""HTML pages that need nothing but themselves."""

from collections.abc import Iterable
from html import escape

STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; color: #1e1e1e }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .25em .8em; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
th { border-bottom: 2px solid #888 }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.wrong { background: #fbe0e0 }
code { font-size: 12px }
"""


class Cell(str):
    """The text of a cell with a CSS class: `number` for figures, `wrong` for what should alarm."""

    kind: str

    def __new__(cls, text: object, kind: str) -> "Cell":
        cell = super().__new__(cls, text)
        cell.kind = kind
        return cell


def page(title: str, *sections: str) -> str:
    """A page with sections of HTML under its title."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join([f"<h1>{escape(title)}</h1>", *sections])
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def heading(text: str, remark: str = "") -> str:
    """A heading, and a paragraph under it."""
    return f"<h2>{escape(text)}</h2>" + (f"\n<p>{escape(remark)}</p>" if remark else "")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are texts, or of the class `Cell`."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(text: str) -> str:
    kind = f' class="{text.kind}"' if isinstance(text, Cell) else ""
    return f"<td{kind}>{escape(text)}</td>"
