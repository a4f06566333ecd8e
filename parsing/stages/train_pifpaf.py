"""Train a PifPaf network of our own on rendered people, and measure it on others."""

import argparse
import shlex
from pathlib import Path

import torch

from artefacts.files import write_json
from artefacts.manifest import read_sources
from artefacts.processor import compute_on
from artefacts.progress import track
from artefacts.provenance import provenance
from artefacts.state import fingerprint, working_state
from parsing.config import Checkpoint
from parsing.ground_truth import Truth
from parsing.labels.target import pick
from parsing.pifpaf import network as pifpaf
from parsing.pifpaf.checkpoints import save_network
from parsing.pifpaf.extraction import ExtractionJob, FieldExtractor, find_fields
from parsing.pifpaf.training import KeypointDataset, train
from parsing.quality import metrics as accuracy
from parsing.stage_config import TrainPifPafConfig

BATCH = 8  # images, when measuring


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="training and size of a pifpaf entry, JSON")
    parser.add_argument("--index", type=Path, required=True, help="CSV of training images; they lie next to it")
    parser.add_argument("--truth", type=Path, required=True, help="HDF5 with their keypoints")
    parser.add_argument("--validation-index", type=Path, required=True)
    parser.add_argument("--validation-truth", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True, help="output safetensors")
    parser.add_argument("--report", type=Path, required=True, help="output JSON: quality on the validation images")
    parser.add_argument("--state", type=Path, required=True, help="folder for work in progress")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    config = TrainPifPafConfig.model_validate_json(arguments.config)
    inputs = {"index": arguments.index, "truth": arguments.truth}
    record = provenance("parsing.stages.train_pifpaf", config.model_dump(mode="json"), inputs)
    outputs = [arguments.checkpoint, arguments.report]
    with working_state(arguments.state, fingerprint(record)) as state:
        if state.put_back(outputs):
            return
        network = _trained(config, arguments, state)
        save_network(arguments.checkpoint, network, _architecture(config), record)
        report = {
            "validation": measure(arguments, config.size),
            "architecture": vars(_architecture(config)),
            "command": command(arguments),
            "provenance": record,
        }
        write_json(arguments.report, report)
        state.finish(outputs)


def _architecture(config: TrainPifPafConfig) -> pifpaf.Architecture:
    return pifpaf.Architecture(**dict(config.training.architecture))


def _trained(config: TrainPifPafConfig, arguments: argparse.Namespace, state) -> torch.nn.Module:
    compute_on(max(1, arguments.threads - 1))
    torch.manual_seed(config.training.seed)
    network = pifpaf.build_network(_architecture(config))
    truth = Truth(arguments.truth)
    data = KeypointDataset(arguments.index.parent, truth, config.size, pifpaf.Encoder(network))
    workers = max(1, arguments.threads // 4)  # encoding targets costs about a quarter of a step
    return train(network, data, config.training, workers, state)


def measure(arguments: argparse.Namespace, size: tuple[int, int]) -> dict:
    """Quality of the written checkpoint on the validation images (see `accuracy.summary`)."""
    entry = Checkpoint(weights=str(arguments.checkpoint), size=size)
    finder = FieldExtractor(ExtractionJob(arguments.validation_index.parent, arguments.checkpoint, entry, BATCH))
    truth, sources = Truth(arguments.validation_truth), read_sources(arguments.validation_index)
    rows = track(find_fields(sources, finder), "measuring PifPaf", "image", len(sources))
    aspect = truth.size[1] / truth.size[0]
    judged = [
        accuracy.judge(row["skeletons"], pick(row["skeletons"], "head").person, truth.people(row["key"]), aspect)
        for row in rows
    ]
    return accuracy.summary(judged)


def command(arguments: argparse.Namespace) -> str:
    """The command line that makes this checkpoint again."""
    given = {name: value for name, value in vars(arguments).items() if name != "stage"}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["python", "-m", "parsing", "train-pifpaf", *words])
