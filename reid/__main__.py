"""`reid COMMAND`, or `python -m reid COMMAND`: what people run. The rules run `python -m reid.stages STAGE`."""

import sys

from artefacts.command import run

COMMANDS = {
    "embed": "embed images with a model pack; of a folder that grew, only the new ones",
    "index": "build an index of features, by which a large gallery is searched fast",
    "search": "search images for those that show the same person as a query",
    "browse": "open a page on this machine to search with",
    "compare": "say how near two images are, part by part, and how likely the same person",
    "export": "write a model pack as one file for other programs: ONNX, torch.export, OpenVINO",
    "pack": "write a finished run's model as a pack, without Snakemake",
    "show": "draw labels, attention, visibility and ranking of any image of a finished run",
    "import-official": "bring a checkpoint that the authors released into our format",
}


def main(argv: list[str] | None = None) -> int:
    """Exit status of the command line."""
    return run("reid", COMMANDS, argv, "reid.commands")


if __name__ == "__main__":
    sys.exit(main())
