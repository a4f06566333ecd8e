"""Compare two images: their distance, what each part says, and how likely they show the same person."""

import argparse
from collections.abc import Iterator

import numpy as np
from tabulate import tabulate

from artefacts.errors import UserError
from reid.commands.model import add_model, load_pack
from reid.search.calibration import at_prior, false_match_rate, probabilities
from reid.search.features import Features
from reid.search.files import images_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="image")
    parser.add_argument("second", metavar="B", help="image")
    add_model(parser)
    parser.add_argument("--prior", type=_share, default=0.5, help="how likely the same person without looking (0.5)")


def run(arguments: argparse.Namespace) -> None:
    paths = [one for given in (arguments.first, arguments.second) for one in _one_image(given)]
    seen = load_pack(arguments).embed(paths)
    for name, why in seen.failed.items():
        raise UserError(f"{name}: cannot be read ({why})")
    first, second = seen[:1], seen[1:]
    said = list(part_rows(first, second))
    print(tabulate(said, headers="keys", disable_numparse=True), end="\n\n")
    print(*_verdict(first, second, arguments.prior), sep="\n")


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


def part_rows(first: Features, second: Features) -> Iterator[dict[str, str]]:
    """A row for each compared embedding: its own distance where it counts, and which image shows it."""
    for place, (name, columns) in enumerate(first.columns.items()):
        counts = bool(first.visibility[0, place] and second.visibility[0, place])
        yield {
            "embedding": name,
            "distance": f"{first.distances(second, name)[0, 0]:.4f}" if counts else "not compared",
            "visible in A": "yes" if first.visible[0, columns].any() else "no",
            "visible in B": "yes" if second.visible[0, columns].any() else "no",
        }


def _verdict(first: Features, second: Features, prior: float) -> Iterator[str]:
    distance, common = first.distances(second)[0, 0], int((first.visibility & second.visibility).sum())
    of = f"{common} of {len(first.compared)} embeddings"
    yield f"distance: {distance:.4f}, the mean of {of}" if common else "distance: none, nothing is visible in both"
    calibration = first.pack.calibration
    if calibration is None:
        yield "same person: unknown, this model is not calibrated; distances only say which of two images is nearer"
        return
    if not common:
        yield "same person: unknown, nothing was compared"
        return
    likely = at_prior(probabilities(calibration, np.array([distance])), prior)[0]
    yield f"same person: {likely:.1%}, if {prior:.1%} without looking; calibrated on {calibration.dataset}"
    known = [rate for rate, limit in calibration.thresholds.items() if limit is not None]
    if known:
        rate = false_match_rate(calibration, distance)
        said = f"{rate} or less" if rate else f"above {max(known, key=float)}"
        yield f"false match rate: {said}, of all pairs of different people on {calibration.dataset}"
