"""What made a table: time and memory of every job, and for every file the code and the files that it came from."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from artefacts.errors import UserError
from artefacts.files import sha256_of
from artefacts.hdf5 import open_hdf5, read_attribute
from artefacts.weights import read_metadata


@dataclass(frozen=True)
class MeasuredJob:
    """What Snakemake measured of a finished job: wall-clock and processor seconds, and the most memory held, in MB."""

    name: str
    seconds: float
    processor: float
    memory: float


def jobs(folder: Path, names: Iterable[str]) -> list[MeasuredJob]:
    """The jobs whose benchmark files lie in these folders below `folder`, in the order of their names.

    A job without a file (its benchmarks were not kept), and one so short that nothing was measured, are left out.
    """
    paths = [path for name in names for path in sorted((folder / name).glob("*.tsv"))]
    return [job for path in paths if (job := _job(path, path.relative_to(folder).with_suffix("").as_posix()))]


def _job(path: Path, name: str) -> MeasuredJob | None:
    with open(path, newline="", encoding="utf-8") as file:
        (line, *_) = csv.DictReader(file, delimiter="\t")
    try:
        return MeasuredJob(name, *(float(line[column]) for column in ("s", "cpu_time", "max_rss")))
    except ValueError:  # NA, or -
        return None


@dataclass(frozen=True)
class InputFile:
    """A file that another was made from: its `name` in the record, and where that content lies, if it is at hand.

    `replaced`: there is a file of this name, but with other content, so that what was made from it is out of date.
    """

    name: str
    path: Path | None
    replaced: bool


@dataclass(frozen=True)
class Artefact:
    """A file with its record: which stage wrote it, by which code and libraries, out of which files."""

    path: Path
    stage: str
    code: str
    packages: dict[str, str]
    sources: list[InputFile]

    @property
    def holds(self) -> bool:
        """Whether nothing that it was made from has been replaced."""
        return not any(source.replaced for source in self.sources)


def artefacts(made: Sequence[Path], given: Sequence[Path] = ()) -> list[Artefact]:
    """Those of the files `made` that carry a record, in their order; `given` are weights that they may start from.

    Inputs that are no single file, as the images of a dataset, have a digest and no name. Raises UserError for a file
    that cannot be read.
    """
    records = {path: record for path in made if (record := recorded(path)) is not None}
    wanted = {source.get("file") for record in records.values() for source in record["inputs"].values()}
    at_hand = {sha256_of(path): path for path in (*made, *given) if path.name in wanted}
    names = {path.name for path in at_hand.values()}
    return [_artefact(path, record, at_hand, names) for path, record in records.items()]


def _artefact(path: Path, record: dict, at_hand: dict[str, Path], names: set[str]) -> Artefact:
    sources = [
        InputFile(name, found := at_hand.get(source["sha256"]), found is None and source.get("file") in names)
        for name, source in record["inputs"].items()
    ]
    return Artefact(path, record["stage"], record["code"], record["packages"], sources)


def recorded(path: Path) -> dict | None:
    """The provenance inside a file; None for files that have none (CSV, pictures, weights of others)."""
    readers = {".json": _in_json, ".h5": _in_hdf5, ".safetensors": _in_safetensors}
    if path.suffix not in readers:
        return None
    try:
        return readers[path.suffix](path)
    except KeyError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{path}: is damaged; delete it and run its stage again ({error})") from None


def _in_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))["provenance"]


def _in_hdf5(path: Path) -> dict:
    with open_hdf5(path, "its stage") as file:
        return json.loads(read_attribute(file, "provenance"))


def _in_safetensors(path: Path) -> dict:
    return read_metadata(path)["provenance"]
