"""torch.export: a program that `torch.export.load` reads without this project's code."""

from pathlib import Path

import torch

from artefacts.files import replacing
from reid.export.graph import Graph
from reid.export.program import Run, traced


def converted(graph: Graph) -> torch.export.ExportedProgram:
    """The graph as it is saved."""
    return traced(graph)


def runner(program: torch.export.ExportedProgram) -> Run:
    """The outputs of a program for images."""
    module = program.module()

    @torch.inference_mode()
    def run(images):
        return [value.numpy() for value in module(images)]

    return run


def write(path: Path, program: torch.export.ExportedProgram, told: dict[str, str]) -> None:
    """Write the program; what is told of it are `extra_files` of torch.export.load."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        torch.export.save(program, file, extra_files=told)
