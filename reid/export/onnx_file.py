"""ONNX: run by onnxruntime, and by the trackers that take a file."""

import contextlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from artefacts.extras import needed
from artefacts.files import replacing, sha256_of, write_text
from reid.checkpoints.pack_format import Pack
from reid.export.graph import Graph
from reid.export.program import Run, traced

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

OPSET = 18
AXES = {0: "batch", 2: "height", 3: "width"}


def converted(graph: Graph) -> "ModelProto":
    """The graph in ONNX, with its axes named."""
    needed("onnxscript", "export")
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of its steps
        made = torch.onnx.export(
            traced(graph), dynamo=True, opset_version=OPSET, input_names=["images"], output_names=graph.given.outputs
        )
    model = made.model_proto
    sides = model.graph.input[0].type.tensor_type.shape.dim
    names = {sides[axis].dim_param: name for axis, name in AXES.items() if sides[axis].dim_param}  # such as s34: batch
    for value in (*model.graph.input, *model.graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = names.get(side.dim_param, side.dim_param)
    del model.graph.value_info[:]  # which would still have the symbols
    return model


def session(model: "ModelProto | Path", threads: int = 0) -> "InferenceSession":
    """A session on the CPU; 0 threads are all."""
    onnxruntime = needed("onnxruntime", "export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def runner(model: "ModelProto | Path", threads: int = 0) -> Run:
    """The outputs of a model for images."""
    opened = session(model, threads)
    return lambda images: opened.run(None, {"images": images.numpy()})


def write(path: Path, model: "ModelProto", told: dict[str, str]) -> None:
    """Write the model with what is told of it in its metadata."""
    needed("onnx", "export").helper.set_model_props(model, told)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def write_sidecar(path: Path, pack: Pack) -> None:
    """`FILE.metadata.json`, by which BoxMOT knows the input of a network that is none of its own."""
    size = list(pack.preprocessing.size)
    sidecar = {
        "schema_version": 1,
        "model_name": f"bpbreid {pack.name}",
        "num_classes": 1,
        "preprocess": "resize",
        "img_size": size,
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": size},
        "source_sha256": sha256_of(path),
    }
    write_text(path.with_name(f"{path.name}.metadata.json"), json.dumps(sidecar, indent=2) + "\n")
