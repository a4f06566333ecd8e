"""`python -m reid.stages STAGE`: what the rules run, from manifest to tables."""

import sys

from artefacts.command import run

STAGES = {
    "fetch": "download a file of weights that is not there",
    "draw": "draw a synthetic dataset with its ground truth",
    "manifest": "list a dataset's images with split, identity, camera and digest",
    "protocol": "say what a search in a dataset can find, and what is wrong with it",
    "check": "stop where the protocol has findings that are not allowed",
    "import-backbone": "bring ImageNet weights that a package ships into timm's layout",
    "train": "train one model with one seed",
    "embed": "extract the embeddings of query and gallery",
    "evaluate": "compare query with gallery and measure the ranking",
    "summarise": "mean and spread of the metrics over seeds",
    "pack": "write a model pack: weights, configuration and model card",
    "gallery": "write features of a shard of a gallery, as `reid search` reads them",
    "index-train": "make what the shards of an index share",
    "index-add": "index one shard of a gallery",
    "index-merge": "merge the shards of an index",
    "rank": "draw queries with their first ten gallery images",
    "attention": "draw labels next to attention maps",
    "curves": "draw the training curves of all seeds",
    "tabulate": "write a table of results",
    "compare": "draw CMC curves, and precision by visible parts, of a table's rows",
    "account": "list what made a table: time, memory, code and inputs of every file",
}


def main() -> int:
    """Exit status of the command line."""
    return run("reid", STAGES, modules="reid.stages")


if __name__ == "__main__":
    sys.exit(main())
