"""A graph as a program of tensor operations, and the check that what is made of it computes the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from artefacts.errors import UserError
from reid.export.graph import Graph

Run = Callable[[Tensor], list[np.ndarray]]  # images to outputs
LARGEST_DIFFERENCE = 1e-4


def traced(graph: Graph) -> torch.export.ExportedProgram:
    """For any number of images and, where the graph resizes them, of any size."""
    sizes = {0: torch.export.Dim("batch")}
    if graph.given.any_size:
        sizes |= {2: torch.export.Dim("height", min=2), 3: torch.export.Dim("width", min=2)}
    with torch.no_grad():
        return torch.export.export(graph, (graph.example(),), dynamic_shapes={"images": sizes})


def must_agree(graph: Graph, run: Run, path: Path) -> None:
    """Raises UserError where the outputs of an exported file differ from torch's by more than LARGEST_DIFFERENCE."""
    worst = difference(graph, run, graph.example(3))
    if not worst <= LARGEST_DIFFERENCE:
        raise UserError(
            f"{path}: not written, its features would differ from torch's by {worst:.1g} of their length; "
            "export to another format"
        )


def difference(graph: Graph, run: Run, images: Tensor) -> float:
    """The largest difference of any output from torch's, of features relative to their length."""
    with torch.no_grad():
        wanted = dict(zip(graph.given.outputs, (value.float().numpy() for value in graph(images)), strict=True))
    found = dict(zip(graph.given.outputs, run(images), strict=True))
    length = {"features": np.linalg.norm(wanted["features"], axis=-1, keepdims=True)} if "features" in wanted else {}
    return max(
        float((np.abs(found[name].astype(np.float32) - values) / length.get(name, 1.0)).max())
        for name, values in wanted.items()
    )
