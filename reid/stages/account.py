"""List what made a table: time and memory of the jobs, code, libraries and inputs of the files."""

import argparse
from collections import Counter
from pathlib import Path

from artefacts.files import write_text
from reid.config.table_stages import AccountConfig
from reid.report.pages import Cell, heading, page, table
from reid.report.provenance import Artefact, MeasuredJob, artefacts, jobs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: title, models by dataset")
    parser.add_argument("--made", type=Path, nargs="*", default=[], help="all files behind the table")
    parser.add_argument("--given", type=Path, nargs="*", default=[], help="weights that they start from")
    parser.add_argument("--benchmarks", type=Path, required=True, help="folder of Snakemake's benchmark files")
    parser.add_argument("--page", type=Path, required=True, help="output HTML")


def run(arguments: argparse.Namespace) -> None:
    settings = AccountConfig.model_validate_json(arguments.config)
    names = [
        name for dataset, models in settings.models.items() for name in (dataset, *(f"{dataset}/{m}" for m in models))
    ]
    files = artefacts(arguments.made, arguments.given)
    for file in (file for file in files if not file.holds):
        print(f"warning: {file.path}: was made from files that have been replaced since; run snakemake again")
    sections = [*_times(jobs(arguments.benchmarks, names)), *_records(files), *_libraries(files)]
    write_text(arguments.page, page(f"{settings.title}: what made it", *sections))


def _times(done: list[MeasuredJob]) -> list[str]:
    total = MeasuredJob("all jobs", sum(job.seconds for job in done), sum(job.processor for job in done), 0.0)
    total = MeasuredJob(total.name, total.seconds, total.processor, max((job.memory for job in done), default=0.0))
    rows = [
        (
            job.name,
            *(Cell(text, "number") for text in (_clock(job.seconds), _clock(job.processor), f"{job.memory:,.0f}")),
        )
        for job in [*done, total]
    ]
    remark = "As Snakemake measured each job, progress bars and start of Python included; jobs run side by side."
    return [
        heading("Time and memory", remark),
        table(("job", "wall-clock time", "processor time", "peak memory, MB"), rows),
    ]


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600)}:{int(seconds // 60) % 60:02d}:{seconds % 60:04.1f}"


def _records(files: list[Artefact]) -> list[str]:
    rows = [(str(file.path), file.stage, Cell(file.code, "number"), _sources(file)) for file in files]
    remark = (
        "The record inside each file. The code is a digest of all modules that the stage runs, blind to comments; "
        "what a file was made from is found by its SHA-256."
    )
    return [heading("Provenance", remark), table(("file", "stage", "code", "made from"), rows)]


def _sources(file: Artefact) -> Cell:
    parts = [
        str(source.path or f"{source.name} ({'replaced since' if source.replaced else 'not at hand'})")
        for source in file.sources
    ]
    return Cell(", ".join(parts), "text" if file.holds else "wrong")


def _libraries(files: list[Artefact]) -> list[str]:
    used = Counter((name, version) for file in files for name, version in file.packages.items())
    rows = [(name, version, Cell(count, "number")) for (name, version), count in sorted(used.items())]
    remark = "Two versions of one library mean that some files are older than the environment."
    return [heading("Libraries", remark), table(("library", "version", "files"), rows)]
