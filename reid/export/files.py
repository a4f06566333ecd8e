"""Exported files by their endings, each compared with torch before it is written."""

from pathlib import Path

from reid.checkpoints.pack_format import Pack
from reid.export import onnx_file, openvino_file, torch_file
from reid.export.graph import Graph, Purpose
from reid.export.program import must_agree
from reid.model.bpbreid import BPBReID

FORMATS = {".onnx": onnx_file, ".pt2": torch_file, ".xml": openvino_file}


def write_exported(path: Path, network: BPBReID, pack: Pack, purpose: Purpose) -> None:
    """Write the network (which is changed) as a file of the format that its ending says.

    Raises UserError where a package is missing, and where the file would not compute what torch does.
    """
    graph, kind = Graph(network, pack, purpose), FORMATS[path.suffix.lower()]
    model = kind.converted(graph)
    must_agree(graph, kind.runner(model), path)
    kind.write(path, model, described(graph, purpose))
    if purpose == "boxmot":
        onnx_file.write_sidecar(path, pack)


def described(graph: Graph, purpose: Purpose) -> dict[str, str]:
    """What a file says of itself: `input`, names of its `outputs` and of the P embeddings `compared`, the `pack`."""
    given, pack = graph.given, graph.pack
    size = "any size" if given.any_size else "{} x {} (height x width)".format(*pack.preprocessing.size)
    scale = "uint8 0..255" if given.pixels else "float32, normalised" if given.normalised else "float32 0..1"
    return {
        "input": f"images [N, 3, H, W], RGB, {size}, {scale}",
        "outputs": ",".join(given.outputs),
        "compared": ",".join(graph.columns),
        "purpose": purpose,
        "pack": pack.model_dump_json(),
    }
