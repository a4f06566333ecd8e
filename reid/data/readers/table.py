"""Reader `table`: a list of one's own images, CSV or Parquet, with the columns path, identity, camera and split.

Paths are relative to the dataset's root. The columns camera and split may be missing. What an identity means that is
missing, an option must say. Other columns are passed over. A CSV may be separated by commas, semicolons or tabs.
"""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from artefacts.files import is_inside
from artefacts.missing import is_missing
from reid.config.dataset import Options
from reid.data.readers.found import NO_IDENTITIES, Found, found

COLUMNS = ("path", "identity", "camera", "split")
SEPARATORS = ",;\t"


def read_table(options: Options, name: str) -> list[Found]:
    """The images that the file lists, in its order.

    `name` is the dataset's entry in config.yaml. Raises UserError for a missing file, column or value, for a path that
    leads outside the root, and for one that is listed twice.
    """
    path = Path(options.file or "")
    try:
        rows = list(_parquet(path) if path.suffix.lower() == ".parquet" else _csv(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; put it there, or set datasets.{name}.options.file") from None
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as a table ({reason}); save it again as CSV in UTF-8") from None
    if not rows:
        raise UserError(f"{path}: lists no image; fill in the columns {', '.join(COLUMNS)}")
    if all(is_missing(row["identity"]) for row in rows):
        raise UserError(f"{path}: no row has an identity, and {NO_IDENTITIES}")
    images = [_found(row, f"{path}: row {number}", options, name) for number, row in enumerate(rows, start=1)]
    keys: set[str] = set()
    for number, image in enumerate(images, start=1):
        if image.key in keys:
            raise UserError(f"{path}: row {number}: {image.key!r} is listed twice; list every image once")
        keys.add(image.key)
    return images


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        file.seek(0)
        rows = csv.reader(file, delimiter=max(SEPARATORS, key=first.count), strict=True)
        header = [column.strip().casefold() for column in next(rows, [])]
        _has_columns(path, header)
        for row in filter(any, rows):
            if len(row) != len(header):
                raise UserError(f"{path}: line {rows.line_num}: has {len(row)} values, not {len(header)}; complete it")
            yield {column: value.strip() for column, value in zip(header, row, strict=True)}


def _parquet(path: Path) -> Iterator[dict[str, str]]:
    from pyarrow import parquet  # heavy, and few tables are of this kind

    table = parquet.read_table(path)
    table = table.rename_columns([column.casefold() for column in table.column_names])
    _has_columns(path, table.column_names)
    for row in table.select([column for column in COLUMNS if column in table.column_names]).to_pylist():
        yield {column: "" if value is None else _text(value) for column, value in row.items()}


def _text(value: object) -> str:
    """A value as a person would write it: pandas makes 7.0 of a number in a column with gaps."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _has_columns(path: Path, columns: list[str]) -> None:
    missing = [column for column in COLUMNS[:2] if column not in columns]
    if missing:
        why = f", and {NO_IDENTITIES}" if missing[0] == "identity" else ""
        raise UserError(f"{path}: has no column {missing[0]!r}; its first line must name {', '.join(COLUMNS)}{why}")
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    if twice:
        raise UserError(f"{path}: has two columns {twice[0]!r}; keep one")


def _found(row: dict[str, str], where: str, options: Options, name: str) -> Found:
    key = str(PurePosixPath(row["path"].replace("\\", "/")))
    if not is_inside(key) or not key.isprintable():
        raise UserError(f"{where}: the path {row['path']!r} leads outside the dataset; give it relative to its root")
    return found(key, row, options, where, name)
