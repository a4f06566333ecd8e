"""Rows for other programs, as JSON, CSV or Parquet by the ending of the file's name."""

import json
from collections.abc import Collection
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import replacing, write_csv, write_text

ENDINGS = (".json", ".csv", ".parquet")


def require_ending(path: Path, endings: Collection[str]) -> None:
    """Raises UserError, which names the endings that there are, unless the file's name has one of them."""
    if path.suffix.lower() not in endings:
        raise UserError(f"{path}: unknown ending; let the name end in {' or '.join(endings)}")


def write_rows(path: Path, rows: list[dict], columns: dict[str, type]) -> None:
    """Write rows atomically, none of them too; lists are JSON in CSV. Raises UserError for another ending.

    `columns`: name and type of each: str, int, float, bool or a list of str or float; a cell may be None.
    """
    require_ending(path, ENDINGS)
    write = {".json": _write_json, ".csv": _write_csv, ".parquet": _write_parquet}[path.suffix.lower()]
    write(path, [{name: row[name] for name in columns} for row in rows], columns)


def _write_json(path: Path, rows: list[dict], columns: dict[str, type]) -> None:
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    write_text(path, f"[\n{lines}\n]\n")


def _write_csv(path: Path, rows: list[dict], columns: dict[str, type]) -> None:
    cells = ([json.dumps(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows)
    write_csv(path, [list(columns), *cells])


def _write_parquet(path: Path, rows: list[dict], columns: dict[str, type]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path}: Parquet needs pyarrow; pip install pyarrow, or write .json or .csv") from None
    one = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    types = one | {list[kind]: pyarrow.list_(one[kind]) for kind in (str, float)}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), temporary)
