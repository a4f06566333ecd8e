"""`parsing STAGE`, or `python -m parsing STAGE`: the stages from images to part labels."""

import sys

from artefacts.command import run

STAGES = {
    "train-pifpaf": "train a PifPaf network of our own on people with known keypoints",
    "fields": "confidence maps and skeletons of one shard of a dataset's images",
    "merge": "put the shards together, one row for each image of the manifest",
    "convert": "labels that another program made, in place of fields and merge",
    "labels": "part labels under one scheme",
    "convert-parts": "part labels under one scheme from a human parser's images, in place of labels",
    "gate": "let labels pass to the training, if they are good enough",
    "quality": "what the labels are worth, with a contact sheet",
}


def main() -> int:
    """Exit status of the command line."""
    return run("parsing", STAGES)


if __name__ == "__main__":
    sys.exit(main())
