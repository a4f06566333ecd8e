"""Train one model with one seed; continues where a killed training stopped."""

import argparse
import logging
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from pydantic import Field

from artefacts.files import replacing
from artefacts.provenance import provenance
from artefacts.state import fingerprint, working_state
from parsing.config import Section
from parsing.store import LabelFile
from reid.config import Model
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
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="output weights, safetensors")
    parser.add_argument("--history", type=Path, required=True, help="output CSV, one row an epoch")
    parser.add_argument("--state", type=Path, required=True, help="directory of the resumable state")
    parser.add_argument("--threads", type=int, default=1, help="of torch; as many processes load images")


def run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    settings = Settings.model_validate_json(arguments.config)
    torch.set_num_threads(arguments.threads)
    set_seed(settings.seed)
    labels = LabelFile(arguments.labels)
    rows = read_manifest(arguments.manifest, "train")
    loader = training_loader(Path(settings.root), rows, labels, settings.model, settings.seed, arguments.threads)
    network = new_model(settings.model, len(labels.part_names), loader.identities)
    inputs = {"manifest": arguments.manifest, "labels": arguments.labels}
    if settings.model.backbone.weights not in (None, "imagenet"):
        inputs["backbone"] = Path(settings.model.backbone.weights)
    record = provenance("reid.stages.train", settings.model_dump(mode="json"), inputs)
    accelerator = Accelerator(mixed_precision=settings.model.training.precision)
    title = f"training {arguments.model.parent}"
    with working_state(arguments.state, fingerprint(record)) as state:
        trained = train(network, loader, settings.model, accelerator, state, title)
        with replacing(arguments.history) as path:
            pd.DataFrame(trained.history).to_csv(path, index=False)
        save_model(arguments.model, trained.weights, settings.model, labels.part_names, loader.identities, record)
        state.discard()
