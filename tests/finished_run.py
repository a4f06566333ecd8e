"""A folder in which the lines of docs/use.md can be run: photographs, and a finished run with its pack."""

import shutil
from pathlib import Path

import numpy as np
import yaml

from artefacts.manifest import read_manifest
from reid import load
from reid.checkpoints.pack_format import Calibration
from reid.config.root import Config
from reid.embeddings.store import Split, write_embeddings
from tests.configuration import copy_configuration
from tests.conftest import PROJECT
from tests.packs import ENTRY, write, write_run
from tests.people import People

KNOTS = {"dataset": "people", "thresholds": {"1e-3": 1.0}, "distances": [0.0, 40.0], "probabilities": [1.0, 0.0]}


def write_folder(folder: Path, people: People, config: Config) -> None:
    """`query.jpg`, `a.jpg`, `b.jpg`, two more in `photos`, and results/synthetic/small of a model of random weights."""
    images = [people.root / row.key for row in read_manifest(people.manifest, "query")]
    (folder / "photos").mkdir()
    for source, target in zip(images, ["query.jpg", "a.jpg", "b.jpg", "photos/1.jpg", "photos/2.jpg"], strict=False):
        shutil.copy(source, folder / target)
    copy_configuration(folder)
    content = yaml.safe_load((PROJECT / "config.yaml").read_text())
    content["models"]["small"] |= ENTRY
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    run = folder / "results/synthetic/small"
    write_run(run, config)
    write(run / "pack", config, calibration=Calibration(**KNOTS))
    source = folder / content["datasets"]["synthetic"]["root"]
    source.mkdir()
    for number, image in enumerate(images[:3]):
        shutil.copy(image, source / f"{number}.jpg")
    _write_embeddings_of(run, sorted(source.iterdir()))


def _write_embeddings_of(run: Path, images: list[Path]) -> None:
    """The run's embeddings of so many images, which are its queries; all but the first are its gallery."""
    seen = load(run / "pack", "cpu").embed(images)
    ones, keys = np.ones(len(seen), int), [path.name for path in images]
    stored = [keys, seen.embeddings, seen.visible, seen.scores, ones, ones, seen.attention]
    query, gallery = Split(*stored), Split(*(values[1:] for values in stored))
    path = run / "seed1/embeddings.h5"
    write_embeddings(path, seen.embedding_names, query, gallery, seen.attention.shape[2:], {})
