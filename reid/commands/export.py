"""Write a model pack as one file for other programs: ONNX, torch.export or OpenVINO, by its ending."""

import argparse
from pathlib import Path

from artefacts import rows
from artefacts.errors import UserError
from reid.commands.finished_run import add_configuration, known_name, require_file
from reid.config.files import read_configuration
from reid.export.files import FORMATS, write_exported
from reid.export.graph import INPUTS
from reid.export.int8 import Labelled, write_int8
from reid.search.extractor import load

MAX_MAP_LOSS = 1.0  # points


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="PACK", help="folder of a model pack, or owner/name on the hub")
    parser.add_argument("--output", type=Path, required=True, help="output: .onnx, .pt2 (torch), .xml (OpenVINO)")
    parser.add_argument(
        "--for", dest="purpose", choices=list(INPUTS), default="images",
        help="what it takes: images of any size, RGB uint8 (the default); tensors of the network's size, normalised; "
        "or what a tracker gives",
    )  # fmt: skip
    parser.add_argument(
        "--int8",
        metavar="DATASET",
        help="ONNX with convolutions in integers of 8 bits, if mAP on this entry of datasets keeps up",
    )
    parser.add_argument("--max-map-loss", type=float, help=f"with --int8: points of mAP to lose ({MAX_MAP_LOSS:g})")
    add_configuration(parser)


def run(arguments: argparse.Namespace) -> None:
    output, purpose = arguments.output, arguments.purpose
    rows.require_ending(output, FORMATS)
    if len(INPUTS[purpose].outputs) == 1 and output.suffix.lower() != ".onnx":
        raise UserError(f"--output: {purpose} reads ONNX; give a file that ends in .onnx")
    if arguments.max_map_loss is not None and not arguments.int8:
        raise UserError("--max-map-loss: is for --int8, which measures mAP; give --int8 DATASET, or leave it out")
    known = labelled(arguments) if arguments.int8 else None
    model = load(arguments.model, "cpu")
    if known is None:
        write_exported(output, model.network, model.pack, purpose)
    else:
        loss = MAX_MAP_LOSS if arguments.max_map_loss is None else arguments.max_map_loss
        before, after = write_int8(output, model.network, model.pack, known, loss)
        print(f"mAP on {arguments.int8}: {before:.1f} in float32, {after:.1f} in int8")
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


def labelled(arguments: argparse.Namespace) -> Labelled:
    """The dataset that int8 is measured on. Raises UserError if it is not there, or for what has no int8."""
    if arguments.output.suffix.lower() != ".onnx" or arguments.purpose != "images":
        raise UserError("--int8: is for ONNX files that take images; give an --output that ends in .onnx, and no --for")
    datasets = read_configuration(arguments.configfile).with_images
    known_name("dataset", arguments.int8, datasets)
    manifest = require_file(arguments.results / arguments.int8 / "manifest.csv")
    return Labelled.of(manifest, Path(datasets[arguments.int8].root))
