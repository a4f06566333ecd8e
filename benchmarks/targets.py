"""Crops of several people: how often each policy picks the target, and what the labels of crowds are worth.

Every crop is drawn with a second person in the back, another seed than the demo's, and goes through stage fields with
the PifPaf network that the project ships. Policies are judged where at least three keypoints of the second person show:
the pick is right if the skeleton is more like the target's true one than like the other's. AUC is how often a wrong
pick has a higher ambiguity than a right one. Part IoU is that of the scheme `five` over all crops in which several
people were found.

    python benchmarks/targets.py

About a minute. Fails if the default policy is not the best one, or if leaving out what lies on others does not help.
"""

import argparse
import json
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.command import run  # noqa: E402
from artefacts.manifest import read_sources  # noqa: E402
from benchmarks.report import Row, write_report  # noqa: E402
from parsing.config import Checkpoint  # noqa: E402
from parsing.ground_truth import Truth  # noqa: E402
from parsing.labels.label_maps import NOBODY, MaskMaker  # noqa: E402
from parsing.labels.skeletons import counted  # noqa: E402
from parsing.labels.target import POLICIES, passers_by, pick  # noqa: E402
from parsing.pifpaf.extraction import ExtractionJob, FieldExtractor, find_fields  # noqa: E402
from parsing.quality import metrics as accuracy  # noqa: E402
from parsing.quality.report import AMBIGUOUS, at_cells  # noqa: E402
from parsing.schemes import UNKNOWN, coarse_labels, part_scheme  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config  # noqa: E402

CROWD = {"seed": 4321, "identities": 80, "images": 8, "cameras": 6, "distractors": 0, "junk": 0, "crowd": 1.0}
KINDS = ("plain", "gated", "limbs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/targets.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    with tempfile.TemporaryDirectory() as folder:
        rows, truth, finder = rendered_crops(Path(folder), config, CROWD)
        policies = [judged(policy, rows, truth) for policy in POLICIES]
        labels = overlaps(rows, truth, finder, config)
    write_report(arguments.report, [*map(picked, policies), *map(worth, labels)])
    for table in (policies, labels):
        print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3f"), end="\n\n")
    best = max(policies, key=lambda row: row["right"])["policy"]
    must_hold(best == config.labels.target, f"{best} is better than the default, {config.labels.target}")
    for row in labels[1:]:
        must_hold(row["without what lies on others"] > row["as it is"], f"{row['labels']}: others left in is as good")


def picked(row: dict) -> Row:
    """Of the report: how often a policy is right."""
    return {"what": f"{row['policy']}, share of right picks", "theirs": None, "ours": row["right"], "ratio": None}


def worth(row: dict) -> Row:
    """Of the report: the usual way leaves in what lies on others."""
    usual, ours = row["as it is"], row["without what lies on others"]
    what = f"{row['labels']}, part IoU of crowds without what lies on others"
    return {"what": what, "theirs": usual, "ours": ours, "ratio": ours / usual}


def must_hold(claim: bool, otherwise: str) -> None:
    if not claim:
        sys.exit(otherwise)


def rendered_crops(folder: Path, config: Config, changes: dict) -> tuple[list[dict], Truth, FieldExtractor]:
    """Rows of a fields file of crops rendered as the demo's but for `changes`, their truth, and the rows' finder."""
    synthetic = config.datasets["synthetic"].synthetic.model_dump() | changes
    index, truth = folder / "index.csv", folder / "truth.h5"
    told = json.dumps({"synthetic": synthetic})
    run("reid", {"draw": ""}, ["draw", "--config", told, "--index", str(index), "--truth", str(truth)])
    network = config.pifpaf["small"]
    checkpoint = Checkpoint(weights="", size=network.size)
    finder = FieldExtractor(ExtractionJob(folder, PROJECT / network.weights, checkpoint, config.labels.batch_size))
    return list(find_fields(read_sources(index), finder)), Truth(truth), finder


def judged(policy: str, rows: list[dict], truth: Truth) -> dict:
    """How often a policy is right about crops in which a second person shows, and what its ambiguity tells."""
    right, ambiguity, several = [], [], []
    for row in rows:
        target = pick(row["skeletons"], policy)
        aspect = truth.size[1] / truth.size[0]
        verdict = accuracy.judge(row["skeletons"], target.person, truth.people(row["key"]), aspect)["right_person"]
        if not np.isnan(verdict):
            right.append(verdict == 1)
            ambiguity.append(target.ambiguity)
            several.append(counted(row["skeletons"]).sum() > 1)
    right, ambiguity, several = np.array(right), np.array(ambiguity), np.array(several)
    wrong_ones, right_ones = ambiguity[several & ~right], ambiguity[several & right]
    pairs = [(a > b) + 0.5 * (a == b) for a, b in product(wrong_ones, right_ones)]
    return {
        "policy": policy,
        "crops": len(right),
        "right": float(right.mean()),
        "both found": int(several.sum()),
        "right of these": float(right[several].mean()),
        "AUC": float(np.mean(pairs)) if pairs else float("nan"),
        "wrong and ambiguous": f"{(wrong_ones > AMBIGUOUS).sum()} of {len(wrong_ones)}",
        "right and ambiguous": f"{(right_ones > AMBIGUOUS).sum()} of {len(right_ones)}",
    }


def overlaps(rows: list[dict], truth: Truth, finder: FieldExtractor, config: Config) -> list[dict]:
    """Mean part IoU of each kind of labels where several people were found, with and without what lies on others."""
    scheme, size = part_scheme(config.schemes["five"]), finder.job.network.size
    several = [row for row in rows if counted(row["skeletons"]).sum() > 1]
    table = []
    for kind in KINDS:
        maker = MaskMaker(scheme, size, finder.stride, finder.grid, config.labels.threshold, kind)
        names = ("as it is", "without what lies on others")
        ious = {name: float(part_iou(several, truth, maker, name != names[0]).mean()) for name in names}
        table.append({"labels": kind, "crops": len(several)} | ious)
    return table


def part_iou(rows: list[dict], truth: Truth, maker: MaskMaker, leave_out: bool) -> np.ndarray:
    """IoU of each part [K] of the labels of all rows, with what lies on other people left out or not."""
    parts = len(maker.scheme.part_names)
    coarse = np.array(coarse_labels(truth.part_names, maker.scheme), np.uint8)
    both, either = np.zeros((2, parts + 1), int)
    for row in rows:
        person = pick(row["skeletons"], "head").person
        others = passers_by(row["skeletons"], person) if leave_out else NOBODY
        target = None if person is None else row["skeletons"][person]
        labels = maker.labels(maker.confidences(row["confidences"], target, others))
        theirs = coarse[at_cells(truth.parts(row["key"]), maker.grid)]
        counts = accuracy.overlap_counts(np.where(labels == UNKNOWN, 0, labels), theirs, parts)
        both, either = both + counts[0], either + counts[1]
    return (both / np.maximum(either, 1))[1:]


if __name__ == "__main__":
    main()
