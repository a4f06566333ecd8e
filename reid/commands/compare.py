"""Compare two images: their distance, what each part says, and how likely they show the same person."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tabulate import tabulate

from artefacts import rows
from artefacts.errors import UserError
from reid.commands.model import add_model, load_pack
from reid.search.calibration import at_prior, false_match_rate, probabilities
from reid.search.features import Features
from reid.search.files import images_in

# Of the rows that --output writes: one for each compared embedding, and last the row "all", Eq. 9.
COLUMNS = {
    "a": str,
    "b": str,
    "embedding": str,
    "distance": float,
    "visible_in_a": bool,
    "visible_in_b": bool,
    "probability": float,
    "false_match_rate": float,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="image")
    parser.add_argument("second", metavar="B", help="image")
    add_model(parser)
    parser.add_argument("--prior", type=_share, default=0.5, help="how likely the same person without looking (0.5)")
    parser.add_argument("--output", type=Path, help="the same as rows: .json, .csv or .parquet")


def run(arguments: argparse.Namespace) -> None:
    if arguments.output:
        rows.require_ending(arguments.output, rows.ENDINGS)
    paths = [one for given in (arguments.first, arguments.second) for one in _one_image(given)]
    seen = load_pack(arguments).embed(paths)
    for name, why in seen.failed.items():
        raise UserError(f"{name}: cannot be read ({why})")
    first, second = seen[:1], seen[1:]
    said = list(part_rows(first, second))
    print(tabulate(map(_printed, said), headers="keys", disable_numparse=True), end="\n\n")
    whole = whole_row(first, second, arguments.prior)
    print(*_verdict(first, second, whole, arguments.prior), sep="\n")
    if arguments.output:
        shared = {"a": first.names[0], "b": second.names[0], "probability": None, "false_match_rate": None}
        rows.write_rows(arguments.output, [shared | row for row in (*said, whole)], COLUMNS)


def _share(word: str) -> float:
    try:
        if 0 < float(word) < 1:
            return float(word)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{word!r} is no probability between 0 and 1")


def _one_image(given: str) -> list[str]:
    found = images_in([given])
    if len(found) != 1:
        raise UserError(f"{given}: holds {len(found)} images; name one, or use reid search")
    return found


def part_rows(first: Features, second: Features) -> Iterator[dict]:
    """A row for each compared embedding: its own distance where it counts, else None, and which image shows it."""
    for place, (name, columns) in enumerate(first.columns.items()):
        counts = bool(first.visibility[0, place] and second.visibility[0, place])
        yield {
            "embedding": name,
            "distance": float(first.distances(second, name)[0, 0]) if counts else None,
            "visible_in_a": bool(first.visible[0, columns].any()),
            "visible_in_b": bool(second.visible[0, columns].any()),
        }


def whole_row(first: Features, second: Features, prior: float) -> dict:
    """What all compared embeddings say together, by Eq. 9; what is not known is None.

    `probability` of the same person, which is `prior` before anything is compared; `false_match_rate`, the lowest whose
    threshold the distance keeps to.
    """
    row = {"embedding": "all", "distance": None, "probability": None, "false_match_rate": None}
    row |= {"visible_in_a": bool(first.visibility.any()), "visible_in_b": bool(second.visibility.any())}
    distance, calibration = first.distances(second)[0, 0], first.pack.calibration
    if not np.isfinite(distance):
        return row
    row["distance"] = float(distance)
    if calibration is not None:
        row["probability"] = float(at_prior(probabilities(calibration, np.array([distance])), prior)[0])
        rate = false_match_rate(calibration, distance)
        row["false_match_rate"] = None if rate is None else float(rate)
    return row


def _printed(row: dict) -> dict[str, str]:
    return {
        "embedding": row["embedding"],
        "distance": "not compared" if row["distance"] is None else f"{row['distance']:.4f}",
        "visible in A": "yes" if row["visible_in_a"] else "no",
        "visible in B": "yes" if row["visible_in_b"] else "no",
    }


def _verdict(first: Features, second: Features, whole: dict, prior: float) -> Iterator[str]:
    distance, calibration = whole["distance"], first.pack.calibration
    if distance is None:
        yield "distance: none, nothing is visible in both"
    else:
        common = int((first.visibility & second.visibility).sum())
        yield f"distance: {distance:.4f}, the mean of {common} of {len(first.compared)} embeddings"
    if calibration is None:
        yield "same person: unknown, this model is not calibrated; distances only say which of two images is nearer"
        return
    if distance is None:
        yield "same person: unknown, nothing was compared"
        return
    likely = f"{whole['probability']:.1%}, if {prior:.1%} without looking"
    yield f"same person: {likely}; calibrated on {calibration.dataset}"
    known = [rate for rate, limit in calibration.thresholds.items() if limit is not None]
    if known:
        rate = false_match_rate(calibration, distance)
        said = f"{rate} or less" if rate else f"above {max(known, key=float)}"
        yield f"false match rate: {said}, of all pairs of different people on {calibration.dataset}"
