"""Train one model with one seed; continues where a killed training stopped."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, set_seed

from artefacts.errors import UserError
from artefacts.files import replacing
from artefacts.gpus import take_gpus
from artefacts.manifest import read_manifest
from artefacts.processor import choose_convolutions, compute_on
from artefacts.provenance import provenance
from artefacts.state import SUPERSEDED, State, fingerprint, working_state
from parsing.store import LabelFile
from reid.checkpoints.store import as_built, new_model, save_model, trained_network
from reid.config.report import PartAttention
from reid.config.root import Training
from reid.config.stages import TrainConfig
from reid.data.combination import TrainingHalf, TrainingImages, training_images
from reid.data.loading import training_loader
from reid.model.bpbreid import BPBReID
from reid.training.distributed import GRACE, run_in_processes
from reid.training.loop import train
from reid.training.part_attention import part_attention
from reid.training.profiling import profiling
from reid.training.trackers import Watch, asked_for
from reid.training.trainer import Trainer

MIXED = {"float32": "no", "tf32": "no", "bfloat16": "bf16", "float16": "fp16"}  # accelerate's names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: model, roots, sampling, seed")
    parser.add_argument("--manifest", type=Path, nargs="+", required=True, help="one for each of the roots")
    parser.add_argument("--labels", type=Path, nargs="+", default=[], help="their part labels; stripes need none")
    parser.add_argument("--model", type=Path, required=True, help="output weights, safetensors")
    parser.add_argument("--history", type=Path, required=True, help="output CSV, one row an epoch")
    parser.add_argument("--state", type=Path, required=True, help="directory of the resumable state")
    parser.add_argument("--threads", type=int, default=1, help="of torch; as many processes load images")
    parser.add_argument(
        "--profile", type=Path, help="output Chrome trace of ten steps; their table goes next to it, .txt"
    )


def run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    settings = TrainConfig.model_validate_json(arguments.config)
    if _put_back(arguments, settings):
        return
    processes = settings.model.training.processes
    take_gpus(processes)
    if processes > 1:
        run_in_processes(_run_one, arguments, processes)
    else:
        _run(arguments, settings)


def _put_back(arguments: argparse.Namespace, settings: TrainConfig) -> bool:
    """Whether these settings had been trained with, before a training with others began: then that model is back."""
    if not list(arguments.state.glob(f"*/{SUPERSEDED}")):
        return False
    with working_state(arguments.state, fingerprint(_record(arguments, settings))) as state:
        return state.put_back(_outputs(arguments))


def _run_one(arguments: argparse.Namespace) -> int:
    """Exit status of one of several processes, the first of which says what is wrong."""
    logging.basicConfig(format="%(message)s", level=logging.INFO if os.environ["RANK"] == "0" else logging.ERROR)
    try:
        _run(arguments, TrainConfig.model_validate_json(arguments.config))
    except UserError as error:
        if os.environ["RANK"] != "0":
            time.sleep(GRACE)  # what stops all, the first one says
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace, settings: TrainConfig) -> None:
    training = settings.model.training
    accelerator = _accelerator(training)
    threads = max(1, arguments.threads // accelerator.num_processes)
    compute_on(threads)
    choose_convolutions(training.precision == "tf32", training.cudnn_benchmark)
    set_seed(settings.seed)
    images = _images(arguments, settings)
    part_names = settings.model.head.stripe_names or images.labels.part_names
    loader = training_loader(
        images.root,
        images.rows,
        images.labels,
        settings.model,
        settings.seed,
        threads,
        with_confidences=settings.model.asks_for_confidences,
        process=accelerator.process_index,
        dataset_of=images.dataset_of if settings.sampling == "even" else None,
    )
    network = new_model(settings.model, len(part_names), loader.identities)
    backbone = network.backbone
    logging.info("%s: %d channels at stride %d", settings.model.backbone.name, backbone.channels, backbone.stride)
    record = _record(arguments, settings)
    title = str(arguments.model.parent)
    with _state(arguments.state, fingerprint(record), accelerator) as state:
        trainer = Trainer(network, settings.model, accelerator)
        profile = arguments.profile if accelerator.is_main_process else None
        with Watch(accelerator, title, settings.model_dump(mode="json")) as watch, profiling(profile) as after_step:
            trained = train(trainer, loader, state, f"training {title}", watch, after_step)
        if accelerator.is_main_process:
            with replacing(arguments.history) as path:
                pd.DataFrame(trained.history).to_csv(path, index=False)
            model = as_built(settings.model, network)
            used = trained_network(model, len(part_names), loader.identities, trained.weights)
            known = _part_attention(used, settings, images, accelerator.device)
            save_model(arguments.model, trained.weights, model, part_names, loader.identities, record, known)
            state.finish(_outputs(arguments))


def _images(arguments: argparse.Namespace, settings: TrainConfig) -> TrainingImages:
    """The images of the datasets that are trained on; stripes have no labels, and names of their own."""
    stripes = bool(settings.model.head.stripe_names)
    if not stripes and not arguments.labels:
        raise UserError("train: this model learns from part labels; give them by --labels")
    labels = [None] * len(settings.roots) if stripes else map(LabelFile, arguments.labels)
    manifests = (read_manifest(path, "train") for path in arguments.manifest)
    members = zip(settings.roots.items(), manifests, labels, strict=True)
    return training_images([TrainingHalf(name, Path(root), rows, file) for (name, root), rows, file in members])


def _part_attention(
    network: BPBReID, settings: TrainConfig, images: TrainingImages, device: torch.device
) -> PartAttention | None:
    """How strong the trained network's attention on parts in view is; None of stripes, which nothing shows."""
    if images.labels is None:
        return None
    return part_attention(network, settings.model, images.root, images.rows, images.labels, device)


def _accelerator(training: Training) -> Accelerator:
    """Device, precision, processes and trackers. Raises UserError for what this machine does not offer."""
    if training.precision == "float16" and not torch.cuda.is_available():
        raise UserError("models.*.training.precision: float16 needs a GPU; use bfloat16 or float32")
    if training.processes > 1 and 0 < torch.cuda.device_count() < training.processes:
        raise UserError(
            f"models.*.training.processes: {training.processes} processes need a GPU each, and there are "
            f"{torch.cuda.device_count()}; lower it"
        )
    return Accelerator(
        mixed_precision=MIXED[training.precision],
        cpu=not torch.cuda.is_available(),
        dynamo_backend="inductor" if training.compile else "no",
        log_with=asked_for() or None,
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True)
        ],  # a BNNeck may be for matching only
        project_dir="logs/trackers",
    )


def _outputs(arguments: argparse.Namespace) -> list[Path]:
    return [arguments.model, arguments.history]


def _record(arguments: argparse.Namespace, settings: TrainConfig) -> dict:
    """The provenance of the model: all that it depends on."""
    inputs = _by_dataset("manifest", arguments.manifest, settings)
    if not settings.model.head.stripe_names:
        inputs |= _by_dataset("labels", arguments.labels, settings)
    if settings.model.backbone.weights not in (None, "imagenet"):
        inputs["backbone"] = Path(settings.model.backbone.weights)
    return provenance("reid.stages.train", settings.model_dump(mode="json"), inputs)


def _by_dataset(what: str, paths: list[Path], settings: TrainConfig) -> dict[str, Path]:
    """Names of the record for a file of each dataset."""
    if len(paths) == 1:
        return {what: paths[0]}
    return {f"{what} of {name}": path for name, path in zip(settings.roots, paths, strict=True)}


@contextmanager
def _state(directory: Path, belongs: str, accelerator: Accelerator) -> Iterator[State]:
    """The resumable state: the first process holds its lock, the others read what it saved."""
    if accelerator.is_main_process:
        with working_state(directory, belongs) as state:
            yield state
    else:
        yield State(directory, belongs)
