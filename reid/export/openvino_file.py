"""OpenVINO: FILE.xml with its weights, FILE.bin, for Intel's processors."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from artefacts.extras import needed
from artefacts.files import replacing
from reid.export.graph import Graph
from reid.export.program import Run, traced

if TYPE_CHECKING:
    from openvino import Model

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}  # else bfloat16 where the processor has it


def converted(graph: Graph) -> "Model":
    """The graph as OpenVINO's, in float32, with its inputs and outputs named."""
    model = needed("openvino", "export").convert_model(traced(graph))
    model.inputs[0].get_tensor().set_names({"images"})
    for output, name in zip(model.outputs, graph.given.outputs, strict=True):
        output.get_tensor().set_names({name})
    return model


def runner(model: "Model | Path", threads: int = 0) -> Run:
    """The outputs of a model for images; 0 threads are all."""
    options = EXACT | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
    compiled = needed("openvino", "export").compile_model(model, "CPU", options)
    return lambda images: list(compiled(images.numpy()).to_tuple())


def write(path: Path, model: "Model", told: dict[str, str]) -> None:
    """Write the model, its weights first; what is told of it is its runtime information `bpbreid`."""
    for key, value in told.items():
        model.set_rt_info(value, ["bpbreid", key])
    with replacing(path.with_suffix(".bin")) as weights, replacing(path) as temporary, TemporaryDirectory() as folder:
        serialized = Path(folder) / "model.xml"  # OpenVINO takes no other endings
        needed("openvino", "export").serialize(model, serialized)
        shutil.copy(serialized.with_suffix(".bin"), weights)
        shutil.copy(serialized, temporary)
