"""Train one model with one seed; continues where a killed training stopped."""

import argparse
import logging
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from pydantic import Field

from artefacts.errors import UserError
from artefacts.files import replacing
from artefacts.provenance import provenance
from artefacts.state import fingerprint, working_state
from parsing.config import Section
from parsing.store import LabelFile
from reid.config import Head, Model
from reid.data.loading import training_loader
from reid.data.manifest import read_manifest
from reid.model.build import new_model, save_model
from reid.training.loop import train


class Settings(Section):
    """What a training depends on."""

    model: Model
    root: str
    seed: int = Field(ge=0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: model, root, seed")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--labels", type=Path, help="part labels; stripes need none")
    parser.add_argument("--model", type=Path, required=True, help="output weights, safetensors")
    parser.add_argument("--history", type=Path, required=True, help="output CSV, one row an epoch")
    parser.add_argument("--state", type=Path, required=True, help="directory of the resumable state")
    parser.add_argument("--threads", type=int, default=1, help="of torch; as many processes load images")


def run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    settings = Settings.model_validate_json(arguments.config)
    torch.set_num_threads(arguments.threads)
    set_seed(settings.seed)
    labels, part_names = _parts(arguments.labels, settings.model.head)
    loader = training_loader(
        Path(settings.root),
        read_manifest(arguments.manifest, "train"),
        labels,
        settings.model,
        settings.seed,
        arguments.threads,
        with_confidences=settings.model.head.attention == "labels",
    )
    network = new_model(settings.model, len(part_names), loader.identities)
    inputs = {"manifest": arguments.manifest}
    if labels is not None:
        inputs["labels"] = arguments.labels
    if settings.model.backbone.weights not in (None, "imagenet"):
        inputs["backbone"] = Path(settings.model.backbone.weights)
    record = provenance("reid.stages.train", settings.model_dump(mode="json"), inputs)
    accelerator = Accelerator(mixed_precision=settings.model.training.precision)
    title = f"training {arguments.model.parent}"
    with working_state(arguments.state, fingerprint(record)) as state:
        trained = train(network, loader, settings.model, accelerator, state, title)
        with replacing(arguments.history) as path:
            pd.DataFrame(trained.history).to_csv(path, index=False)
        save_model(arguments.model, trained.weights, settings.model, part_names, loader.identities, record)
        state.discard()


def _parts(path: Path | None, head: Head) -> tuple[LabelFile | None, list[str]]:
    """Labels and names of the parts; stripes have names of their own and are not labelled."""
    if head.stripe_names:
        return None, head.stripe_names
    if path is None:
        raise UserError("train: this model learns from part labels; give them by --labels")
    labels = LabelFile(path)
    return labels, labels.part_names
