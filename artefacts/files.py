"""Files that are either whole or absent."""

import csv
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from artefacts.errors import UserError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # what file systems without locks, such as NFS, answer
_UMASK = os.umask(0o022)
os.umask(_UMASK)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to `path` that takes its place, flushed to disk, when the block ends without an error.

    What a killed process left of an earlier attempt is removed, that path with an ending of another's included.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    for left in path.parent.glob(f".{path.name}.*.part*"):
        process = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.part(\..+)?", left.name)
        if process and not _alive(int(process[1])):
            left.unlink(missing_ok=True)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)  # some writers make files that only their owner can read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write `content` as indented JSON to `path` atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, stage: str) -> dict:
    """The JSON object that `stage` wrote to `path`. Raises UserError, which says to run the stage again, otherwise."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run stage {stage} again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: is not what stage {stage} writes; run it again")
    return content


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet would take for a formula


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write `rows`, header first, to `path` atomically. Texts that could be formulas are `harmless`."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(map(harmless, row) for row in rows)


def harmless(value: object) -> object:
    """`value` with an apostrophe before it if a spreadsheet would take it for a formula; see `original`."""
    if not isinstance(value, str) or not value.startswith((*FORMULA, "'")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def original(text: str) -> str:
    """The text that `harmless` made this of."""
    return text.removeprefix("'")


def is_inside(key: str) -> bool:
    """Whether a key stays below the root it is joined to: relative, without `..` or drive, with forward slashes."""
    parts = [part for part in key.split("/") if part not in ("", ".")]
    if not parts or key[0] == "/" or (key[0].isalpha() and key[1:2] == ":"):
        return False
    return ".." not in parts and "\\" not in key and "\0" not in key
