"""What does not carry over to other people and cameras: thresholds and probabilities of a finished run.

Of the demo's run unless said otherwise. Calibrated on its query and gallery, then applied to people that are rendered
with another seed: before as plain cameras as the demo's, and before street cameras (`datasets.*.synthetic.domain`).
Printed is the share of pairs of different people within each threshold, which was calibrated to be 1e-2 and 1e-3, the
share of pairs of the same person, the error of the probabilities (expected calibration error), and mAP. In the first
line the error is that of one half of the identities on the other half.

    make demo && python benchmarks/calibration.py

Two minutes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.command import run  # noqa: E402
from artefacts.errors import UserError  # noqa: E402
from artefacts.files import write_json  # noqa: E402
from benchmarks.features import run_of  # noqa: E402
from reid.config.domain import Domain  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.evaluation.calibration import PairCounts, observed  # noqa: E402
from reid.evaluation.ranking import Ranking, measures, protocol  # noqa: E402
from reid.evaluation.tiles import as_it_is  # noqa: E402
from reid.search.extractor import Extractor, load  # noqa: E402
from reid.search.features import Features  # noqa: E402
from reid.synthetic.dataset import plan_shots  # noqa: E402

PEOPLE = {"identities": 60, "images": 8, "cameras": 3, "distractors": 30, "junk": 0}
STREET = {"casts": 0.2, "exposure": 1.0, "motion_blur": 0.03, "resolution": (64, 160), "sensor_noise": 8.0}
OTHERS = {
    "other people, other plain cameras": {"seed": 4711},
    "the same others, street cameras": {"seed": 4711, "domain": Domain(**STREET).model_dump()},
}
RATES = ("1e-2", "1e-3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", type=Path, default=PROJECT / "results/synthetic", help="folder of finished runs")
    parser.add_argument("--model", default="small")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/calibration.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        own = run_of(arguments.dataset, arguments.model)
    except UserError as error:
        sys.exit(f"error: {error}")
    model = load(arguments.dataset / arguments.model / "pack")
    who = [getattr(own[split], name) for name in ("identities", "cameras") for split in ("query", "gallery")]
    counts, precision = counted(own["query"].features, own["gallery"].features, who)
    known = counts.calibration()
    table = [{"people": "its own (error: held-out half)"} | measured(counts, precision, known)]
    table[0]["probability error"] = counts.reliability()["error"]
    for name, changes in OTHERS.items():
        with tempfile.TemporaryDirectory() as folder:
            table.append({"people": name} | measured(*rendered(Path(folder), changes, model), known))
    write_json(arguments.report, table)
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3g"))


def counted(query: Features, gallery: Features, who: list[np.ndarray]) -> tuple[PairCounts, float]:
    """Pairs of query and gallery by distance, and mAP in percent; `who`: identities, then cameras, of both."""
    distances, pairs = query.distances(gallery), protocol(*who)
    ranking = Ranking(pairs, distances[pairs.rows, pairs.columns])
    counts = PairCounts(pairs, ranking.distances, *who[:2])
    tile = as_it_is(distances)
    ranking.add(tile)
    counts.add(tile)
    return counts, 100 * measures(pairs.offsets, ranking.ranks).summary()["mAP"]


def measured(counts: PairCounts, precision: float, known: dict) -> dict[str, float]:
    """What a calibration that is `known` from elsewhere is worth for these pairs."""
    positives, negatives = counts.positives.sum(axis=0), counts.negatives.sum(axis=0)
    row: dict[str, float] = {"mAP": precision}
    for rate in RATES:
        within = counts.centres <= known["thresholds"][rate]
        row |= {
            f"different at {rate}": float(negatives[within].sum() / negatives.sum()),
            f"same at {rate}": float(positives[within].sum() / positives.sum()),
        }
    told = np.interp(counts.centres, known["distances"], known["probabilities"])
    return row | {"probability error": observed(told, positives, negatives)["error"]}


def rendered(folder: Path, changes: dict, model: Extractor) -> tuple[PairCounts, float]:
    """Pairs of people rendered as the demo's but for `changes`, embedded by a model."""
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    synthetic = config.datasets["synthetic"].synthetic.model_dump() | PEOPLE | changes
    options = ["--index", str(folder / "index.csv"), "--truth", str(folder / "truth.h5")]
    run("reid", {"draw": ""}, ["draw", "--config", json.dumps({"synthetic": synthetic}), *options])
    shots = list(plan_shots(*PEOPLE.values()))
    sides = [[shot for shot in shots if shot.split == split] for split in ("query", "gallery")]
    query, gallery = (model.embed([folder / shot.key for shot in side]) for side in sides)
    who = [np.array([getattr(shot, name) for shot in side]) for name in ("identity", "camera") for side in sides]
    return counted(query, gallery, who)


if __name__ == "__main__":
    main()
