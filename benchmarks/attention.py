"""How good part labels must be before fixed attention beats learned attention: mAP of both against part IoU of labels.

Takes the labels of a finished run on rendered people and makes them worse on purpose, for training, query and gallery
alike: every image's maps are shifted by a random distance, and parts are dropped. `truth` has the rendered parts in
place of PifPaf's. Both models are trained anew on each, one after the other, and searched under their matching.

    snakemake --cores 2 --configfile benchmarks/street.yaml -- results/street/parsing/five.passed.txt
    python benchmarks/attention.py results/street --configfile benchmarks/street.yaml

Ten trainings, half an hour to an hour on two cores; `make bench` leaves it out. Prints a line a training, a table, and
the part IoU at which the lines cross, and draws them (attention.svg). No training whose metrics are there is repeated.
Four times the batches, or the cells: --points given --models small_long small_fixed_attention_long (or _large).
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.files import read_json, write_json  # noqa: E402
from artefacts.manifest import read_manifest  # noqa: E402
from parsing.ground_truth import Truth  # noqa: E402
from parsing.quality.metrics import overlap_counts  # noqa: E402
from parsing.quality.report import at_cells  # noqa: E402
from parsing.schemes import UNKNOWN, coarse_labels, part_scheme  # noqa: E402
from parsing.store import LabelFile, write_labels  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config  # noqa: E402
from reid.config.stages import EmbedConfig, EvaluateConfig, TrainConfig  # noqa: E402
from reid.report.style import panels, plain, styled, write_svg  # noqa: E402

# How labels are made worse: standard deviation of the shift, as a share of the sides; share of parts dropped.
POINTS = {"truth": (0.0, 0.0), "given": (0.0, 0.0), "mild": (0.05, 0.1), "middle": (0.1, 0.2), "strong": (0.2, 0.3)}
MODELS = ["small", "small_fixed_attention"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="results/DATASET of rendered people, labelled")
    parser.add_argument("--configfile", type=Path, action="append", default=[], help="laid over the configuration")
    parser.add_argument("--points", nargs="+", choices=list(POINTS), default=list(POINTS))
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/attention.json")
    arguments = parser.parse_args()
    config = read_configuration([*CONFIGURATION, *arguments.configfile])
    table = [measured(config, arguments, point) for point in arguments.points]
    write_json(arguments.report, table)
    write_svg(drawn(table, arguments.models), arguments.report.with_suffix(".svg"))
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3f"))
    if len(table) > 1 and len(arguments.models) == 2:
        crossed = ", ".join(f"{iou:.2f}" for iou in crossings(table, *arguments.models)) or "none"
        print("they cross at a part IoU of", crossed)


def measured(config: Config, arguments: argparse.Namespace, point: str) -> dict:
    """Part IoU of the labels of one point, and mAP of each model that trains on and is searched with them."""
    folder = arguments.run / "attention" / point
    folder.mkdir(parents=True, exist_ok=True)
    labels = folder / "labels.h5"
    row = {"labels": point, "part IoU": write_degraded(config, arguments.run, point, labels)}
    for model in arguments.models:
        row[model] = searched(config, arguments, model, labels)
        print(f"{point}, part IoU {row['part IoU']:.3f}, {model}: mAP {row[model]:.3f}", flush=True)
    return row


def write_degraded(config: Config, run: Path, point: str, path: Path) -> float:
    """Write the labels of a point to `path`; gives their mean part IoU with the truth over images with a person."""
    scheme = part_scheme(config.schemes[config.datasets[run.name].scheme])
    given, truth = LabelFile(run / "parsing" / f"{config.datasets[run.name].scheme}.h5"), Truth(run / "source/truth.h5")
    coarse = np.array(coarse_labels(truth.part_names, scheme), np.uint8)
    parts, rows, counts = len(given.part_names), [], []
    for number, row in enumerate(sorted(read_manifest(run / "manifest.csv"), key=lambda row: row.key)):
        true = at_cells(coarse[truth.parts(row.key)], given.grid)
        if point == "truth":
            labels, confidences = true, one_hot(true, parts)
        else:
            maps = given.label_map(row.key), given.confidences(row.key)
            labels, confidences = degraded(*maps, *POINTS[point], np.random.default_rng([0, number]))
        if (labels != UNKNOWN).any():
            counts.append(overlap_counts(labels, true, parts))
        rows.append({"key": row.key, "status": "ok", "labels": labels, "confidences": confidences})
    both, either = np.sum(counts, axis=0)
    write_labels(path, given.grid, given.part_names, given.mirrored, len(rows), rows, {"degraded": point})
    return float((both / either)[1:].mean())


def degraded(
    labels: np.ndarray, confidences: np.ndarray, shift: float, drop: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Labels [h, w] and confidences [K, h, w] uint8, shifted together and without the parts that are dropped.

    `shift` is the standard deviation in shares of the sides, `drop` the share of parts. What comes in at an edge is
    background. The same `rng` moves in the same direction whatever `shift` is, and drops no fewer parts for more
    `drop`.
    """
    down, right = np.round(rng.normal(0, 1, 2) * shift * np.array(labels.shape)).astype(int)
    dropped = 1 + np.flatnonzero(rng.random(len(confidences)) < drop)
    labels, confidences = moved(labels, down, right), moved(confidences, down, right)
    labels[np.isin(labels, dropped)] = 0
    confidences[dropped - 1] = 0
    return labels, confidences


def moved(maps: np.ndarray, down: int, right: int) -> np.ndarray:
    """The maps [..., h, w] moved by so many cells; 0 where nothing was."""
    height, width = maps.shape[-2:]
    down, right = int(np.clip(down, -height, height)), int(np.clip(right, -width, width))
    result = np.zeros_like(maps)
    rows, columns = (slice(max(by, 0), size + min(by, 0)) for by, size in ((down, height), (right, width)))
    sources = (slice(max(-by, 0), size + min(-by, 0)) for by, size in ((down, height), (right, width)))
    result[..., rows, columns] = maps[(..., *sources)]
    return result


def one_hot(labels: np.ndarray, parts: int) -> np.ndarray:
    """Confidences [K, h, w] uint8 of labels that are certain."""
    return np.stack([255 * (labels == part) for part in range(1, parts + 1)]).astype(np.uint8)


def searched(config: Config, arguments: argparse.Namespace, model: str, labels: Path) -> float:
    """mAP of a model trained on these labels, by the workflow's own stages."""
    run, dataset, entry = arguments.run, arguments.run.name, config.model(model)
    folder = labels.parent / model / f"seed{arguments.seed}"
    weights, embeddings, metrics = folder / "model.safetensors", folder / "embeddings.h5", folder / "metrics.json"
    if not metrics.exists():
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {"manifest": run / "manifest.csv"}
        stage("train", TrainConfig.of(config, dataset, model, str(arguments.seed)), **manifest, labels=labels,
              model=weights, history=folder / "history.csv", state=folder / "state")  # fmt: skip
        read = {"labels": labels} if entry.attends_labels else {}
        stage("embed", EmbedConfig.of(config, dataset, model), **manifest, **read, model=weights, embeddings=embeddings)
        stage("evaluate", EvaluateConfig.of(config, entry.matching), embeddings=embeddings, metrics=metrics)
    return read_json(metrics, "evaluate")["results"][entry.matching]["measures"]["mAP"]


def crossings(table: list[dict], one: str, other: str) -> list[float]:
    """Part IoUs at which the mAP of two models is equal, straight lines between the points."""
    rows = sorted(table, key=lambda row: row["part IoU"])
    leads = [row[one] - row[other] for row in rows]
    pairs = zip(zip(rows, leads, strict=True), zip(rows[1:], leads[1:], strict=True), strict=False)
    return [
        left["part IoU"] + (right["part IoU"] - left["part IoU"]) * lead / (lead - after)
        for (left, lead), (right, after) in pairs
        if lead * after < 0
    ]


@styled
def drawn(table: list[dict], models: list[str]) -> Figure:
    """mAP of each model over the part IoU of the labels that trained it and that it is searched with."""
    rows = sorted(table, key=lambda row: row["part IoU"])
    figure, (axis,) = panels(1, across=1, size=(6.0, 4.0))
    for model in models:
        axis.plot([row["part IoU"] for row in rows], [100 * row[model] for row in rows], marker="o", label=model)
    for row in rows:
        axis.annotate(
            row["labels"],
            (row["part IoU"], 0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 3),
            textcoords="offset points",
            rotation=90,
        )
    axis.set_xlabel("part IoU of the labels with the truth")
    axis.set_ylabel("mAP (%)")
    axis.legend()
    plain(axis)
    return figure


def stage(name: str, config, **files: Path) -> None:
    """Run a stage of the workflow. Raises CalledProcessError if it fails."""
    options = [word for option, path in files.items() for word in (f"--{option}", str(path))]
    command = [sys.executable, "-m", "reid.stages", name, "--config", config.model_dump_json(), *options]
    subprocess.run(command, cwd=Path.cwd(), check=True)


if __name__ == "__main__":
    main()
