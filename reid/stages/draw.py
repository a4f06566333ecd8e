"""Draw a synthetic dataset: images in the Market-1501 layout, their list with digests, and the ground truth."""

import argparse
import hashlib
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

from artefacts.files import replacing, write_csv
from artefacts.progress import track
from reid.config.root import Synthetic
from reid.config.stages import DrawConfig
from reid.synthetic.dataset import RenderedTruth, Scene, Shot, draw_shot, encode_jpeg, plan_shots, write_truth
from reid.synthetic.scenes import make_camera


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: synthetic, of a dataset")
    parser.add_argument("--index", type=Path, required=True, help="output CSV: key, sha256; images go next to it")
    parser.add_argument(
        "--groups", type=Path, help="output CSV: key, group of queries (default: queries.csv next to it)"
    )
    parser.add_argument("--truth", type=Path, required=True, help="output HDF5: keypoints, parts")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    config = DrawConfig.model_validate_json(arguments.config).synthetic
    planned = (config.identities, config.images, config.cameras, config.distractors, config.junk, config.whole_queries)
    shots = list(plan_shots(*planned))
    folder = arguments.index.parent
    for split_folder in {Path(shot.key).parent for shot in shots}:
        (folder / split_folder).mkdir(parents=True, exist_ok=True)
    draw = partial(_draw_to, folder, config)
    with ProcessPoolExecutor(arguments.threads) as pool:
        drawn = list(track(pool.map(draw, shots, chunksize=16), "drawing people", "image", len(shots)))
    digests, truths = zip(*drawn, strict=True)
    keys = [shot.key for shot in shots]
    with replacing(arguments.truth) as path:
        write_truth(path, keys, list(truths), config.seed)
    groups = [(shot.key, "whole" if shot.whole else "occluded") for shot in shots if shot.split == "query"]
    write_csv(arguments.groups or folder / "queries.csv", [("key", "group"), *groups])
    write_csv(arguments.index, [("key", "sha256"), *zip(keys, digests, strict=True)])


@cache
def _scene(config: Synthetic) -> Scene:
    cameras = [make_camera([config.seed, 0, camera]) for camera in range(config.cameras)]
    return Scene(config.seed, cameras, (config.width, config.height), config.crowd, config.occlusion, config.domain)


def _draw_to(folder: Path, config: Synthetic, shot: Shot) -> tuple[str, RenderedTruth]:
    image, truth = draw_shot(shot, _scene(config))
    content = encode_jpeg(image)
    (folder / shot.key).write_bytes(content)
    return hashlib.sha256(content).hexdigest(), truth
