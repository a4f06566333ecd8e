"""What the torso between shoulders and hips is worth: part IoU of labels with and without it (`limbs.trunk`).

Crops are rendered as the demo's, with another seed, half of them with a second person. Skeletons and maps come from the
PifPaf network that the project ships, or, as from a pose estimator without faults, from the keypoints that are seen.

    python benchmarks/torso.py

Two minutes. Fails if the mean part IoU of a kind of labels is not higher with the torso filled.
"""

import argparse
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from benchmarks.report import Row, write_report  # noqa: E402
from benchmarks.targets import must_hold, part_iou, rendered_crops  # noqa: E402
from parsing.conversion.limb_maps import STRIDE, draw_people  # noqa: E402
from parsing.grids import grid_of  # noqa: E402
from parsing.ground_truth import Truth  # noqa: E402
from parsing.labels import limbs  # noqa: E402
from parsing.labels.label_maps import MaskMaker  # noqa: E402
from parsing.pifpaf.extraction import FieldExtractor  # noqa: E402
from parsing.schemes import part_scheme  # noqa: E402
from parsing.store import KEYPOINTS, SKELETONS  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config  # noqa: E402

CROPS = {"seed": 4322, "identities": 60, "images": 8, "distractors": 0, "junk": 0, "crowd": 0.5}
SCHEMES, SEEN = ("five", "eight"), 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/torso.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    with tempfile.TemporaryDirectory() as folder:
        rows, truth, finder = rendered_crops(Path(folder), config, CROPS)
        table = [
            compared(scheme, source, kind, config, rows, truth, finder)
            for scheme, source, kind in product(SCHEMES, ("PifPaf", "keypoints"), ("gated", "limbs"))
        ]
    write_report(arguments.report, [worth(row) for row in table])
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3f"))
    for row in table:
        must_hold(row["filled"] > row["hollow"], f"{row['scheme']}, {row['labels']}, {row['from']}: hollow is as good")


def worth(row: dict) -> Row:
    """Of the report: the usual way is a hollow torso."""
    what = f"{row['scheme']}, {row['labels']}, from {row['from']}, part IoU with the torso filled"
    return {"what": what, "theirs": row["hollow"], "ours": row["filled"], "ratio": row["filled"] / row["hollow"]}


def compared(
    scheme: str, source: str, kind: str, config: Config, rows: list[dict], truth: Truth, finder: FieldExtractor
) -> dict:
    """Mean part IoU and that of the torso, without and with the torso filled."""
    parts, size = part_scheme(config.schemes[scheme]), config.pifpaf["small"].size
    stride, grid = (finder.stride, finder.grid) if source == "PifPaf" else (STRIDE, grid_of(size, STRIDE))
    maker = MaskMaker(parts, size, stride, grid, config.labels.threshold, kind)
    found, torso = {}, parts.part_names.index("torso")
    for name, way in (("hollow", hollow()), ("filled", nullcontext())):
        with way:
            seen = rows if source == "PifPaf" else [of_seen_keypoints(row, truth, size) for row in rows]
            ious = part_iou(seen, truth, maker, True)
        found |= {name: float(ious.mean()), f"torso {name}": float(ious[torso])}
    return {"scheme": scheme, "from": source, "labels": kind, "crops": len(rows)} | found


def hollow() -> AbstractContextManager:
    """Labels as if shoulders and hips enclosed nothing."""
    return mock.patch.object(limbs, "trunk", lambda person, centres, size: np.zeros((36, len(centres)), np.float32))


def of_seen_keypoints(row: dict, truth: Truth, size: tuple[int, int]) -> dict:
    """A row whose people are the true ones, each keypoint that is not to be seen left out."""
    people = truth.people(row["key"])
    people[people[..., 2] != SEEN] = 0
    people[..., 2] /= SEEN
    people = people[people.any((1, 2))][:SKELETONS]
    skeletons = np.zeros((SKELETONS, KEYPOINTS, 3), np.float32)
    skeletons[: len(people)] = people
    maps = draw_people(people * (*truth.size[::-1], 1), truth.size, size)
    return {"key": row["key"], "confidences": maps, "skeletons": skeletons}


if __name__ == "__main__":
    main()
