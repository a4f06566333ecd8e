"""Write a model pack as one file for other programs: ONNX, torch.export or OpenVINO, by its ending."""

import argparse
from pathlib import Path

from artefacts import rows
from artefacts.errors import UserError
from reid.export.files import FORMATS, write_exported
from reid.export.graph import INPUTS
from reid.search.extractor import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="PACK", help="folder of a model pack, or owner/name on the hub")
    parser.add_argument("--output", type=Path, required=True, help="output: .onnx, .pt2 (torch), .xml (OpenVINO)")
    parser.add_argument(
        "--for", dest="purpose", choices=list(INPUTS), default="images",
        help="what it takes: images of any size, RGB uint8 (the default); tensors of the network's size, normalised; "
        "or what a tracker gives",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    output, purpose = arguments.output, arguments.purpose
    rows.require_ending(output, FORMATS)
    if len(INPUTS[purpose].outputs) == 1 and output.suffix.lower() != ".onnx":
        raise UserError(f"--output: {purpose} reads ONNX; give a file that ends in .onnx")
    model = load(arguments.model, "cpu")
    write_exported(output, model.network, model.pack, purpose)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
