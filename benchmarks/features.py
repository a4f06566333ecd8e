"""What flat vectors lose against the comparison by parts (Eq. 9), and what tracklets gain over single images.

Of a finished run of rendered people, the demo's unless said otherwise. Flat: mAP of query against gallery by Eq. 9, by
Eq. 9 of features of unit length, and by the inner products of `Features.flat`. Tracklets: images of query and gallery
are grouped by identity and camera, a few at a time, and each tracklet is searched among those of other cameras: by one
image of each, chosen at random ten times, and by `Features.tracks`. Distractors are left out: they have no tracks.

    make demo && python benchmarks/features.py

Half a minute. Fails if a tracklet is not found better than a single image.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.errors import UserError  # noqa: E402
from artefacts.files import write_json  # noqa: E402
from benchmarks.targets import must_hold  # noqa: E402
from reid.browse.images import ImageSet  # noqa: E402
from reid.browse.run import of_run  # noqa: E402
from reid.checkpoints.pack import read_pack  # noqa: E402
from reid.commands.finished_run import require_file  # noqa: E402
from reid.evaluation.ranking import measures, protocol, ranked  # noqa: E402
from reid.search.features import Features, joined  # noqa: E402

MODELS, LENGTH, TIMES = ("small", "bot_small"), 4, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", type=Path, default=PROJECT / "results/synthetic", help="folder of finished runs")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/features.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        sets = {model: run_of(arguments.dataset, model) for model in MODELS}
    except UserError as error:
        sys.exit(f"error: {error}")
    flat = [{"model": model} | flat_row(**images) for model, images in sets.items()]
    tracks = [{"model": model} | track_row(**images) for model, images in sets.items()]
    write_json(arguments.report, {"flat": flat, "tracklets": tracks})
    for table in (flat, tracks):
        print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".1f"), end="\n\n")
    for row in tracks:
        must_hold(row["tracklet mAP"] > row["single mAP"], f"{row['model']}: a tracklet is found no better")


def run_of(dataset: Path, model: str, seed: int = 1) -> dict[str, ImageSet]:
    """Query and gallery of a finished run. Raises UserError if it is not there."""
    folder = dataset / model
    embeddings = require_file(folder / f"seed{seed}/embeddings.h5")
    return of_run(embeddings, read_pack(folder / "pack")[1], dataset / "source")


def precision(distances: np.ndarray, query: ImageSet, gallery: ImageSet) -> dict[str, float]:
    """mAP and rank-1, in percent."""
    pairs = protocol(query.identities, gallery.identities, query.cameras, gallery.cameras)
    summary = measures(pairs.offsets, ranked(distances.astype(np.float32), pairs).ranks).summary()
    return {name: 100 * summary[name] for name in ("mAP", "rank-1")}


def flat_row(query: ImageSet, gallery: ImageSet) -> dict[str, float]:
    """mAP and rank-1 of each way to compare."""
    row = {}
    for name, compare in (("Eq. 9", Features.distances), ("unit length", unit_length), ("flat", inner_products)):
        found = precision(compare(query.features, gallery.features), query, gallery)
        row |= {f"{name} {measure}": value for measure, value in found.items()}
    return row


def unit_length(query: Features, gallery: Features) -> np.ndarray:
    """Distances by Eq. 9 of features of unit length."""
    matching = query.pack.matching.model_copy(update={"normalise": True})
    pack = query.pack.model_copy(update={"matching": matching})
    return with_pack(query, pack).distances(with_pack(gallery, pack))


def with_pack(features: Features, pack: object) -> Features:
    """The same features, compared as another pack says."""
    arrays = {name: getattr(features, name) for name in ("names", "embeddings", "visible", "scores", "attention")}
    return Features(pack, **arrays)


def inner_products(query: Features, gallery: Features) -> np.ndarray:
    """1 less the inner products of flat vectors."""
    return 1 - query.flat() @ gallery.flat().T


def track_row(query: ImageSet, gallery: ImageSet) -> dict[str, float]:
    """mAP and rank-1 of tracklets by one of their images, and by all."""
    seen = joined([query.features, gallery.features])
    identity, camera = (
        np.concatenate([getattr(side, name) for side in (query, gallery)]) for name in ("identities", "cameras")
    )
    known = np.flatnonzero(identity > 0)
    seen, identity, camera = seen[known.tolist()], identity[known], camera[known]
    ids = tracklets(identity, camera)
    every = among_others(seen.tracks(ids.tolist()), identity, camera, order_of(ids))
    rng, singles = np.random.default_rng(0), []
    for _ in range(TIMES):
        shuffled = rng.permutation(len(ids))
        chosen = shuffled[np.unique(ids[shuffled], return_index=True)[1]]
        singles.append(among_others(seen[chosen.tolist()], identity, camera, chosen))
    count = int(ids.max()) + 1
    row = {"tracklets": count, "images each": len(ids) / count}
    row |= {f"single {name}": float(np.mean([one[name] for one in singles])) for name in every}
    return row | {f"tracklet {name}": value for name, value in every.items()}


def tracklets(identity: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The tracklet [N] of each image: up to LENGTH of an identity and camera."""
    met: dict[tuple, int] = {}
    ids = []
    for key in zip(identity.tolist(), camera.tolist(), strict=True):
        met[key] = met.get(key, -1) + 1
        ids.append((*key, met[key] // LENGTH))
    numbers = {one: number for number, one in enumerate(dict.fromkeys(ids))}
    return np.array([numbers[one] for one in ids])


def order_of(ids: np.ndarray) -> np.ndarray:
    """An image [T] of each tracklet, in the order of the tracklets."""
    return np.unique(ids, return_index=True)[1]


def among_others(seen: Features, identity: np.ndarray, camera: np.ndarray, images: np.ndarray) -> dict[str, float]:
    """mAP and rank-1 of each row in all rows; one of the `images` says whose and of which camera it is."""
    sides = ImageSet(seen, Path(), identity[images], camera[images])
    return precision(seen.distances(seen), sides, sides)


if __name__ == "__main__":
    main()
