"""Extract the embeddings of query and gallery."""

import argparse
import logging
from pathlib import Path

import torch
from accelerate import Accelerator

from artefacts.errors import UserError
from artefacts.gpus import take_gpus
from artefacts.manifest import read_manifest
from artefacts.processor import choose_convolutions, compute_on
from artefacts.progress import track
from artefacts.provenance import provenance
from parsing.store import LabelFile
from reid.checkpoints.store import TrainedModel, load_model
from reid.config.stages import EmbedConfig
from reid.data.loading import embedding_loader, readable
from reid.embeddings.extract import embed_batches
from reid.embeddings.inference import make_ready
from reid.embeddings.store import HOLISTIC, SPLITS, writing

BATCH = 64  # images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: model, root")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="trained weights, safetensors")
    parser.add_argument("--labels", type=Path, help="part labels, for a model whose attention they are")
    parser.add_argument("--embeddings", type=Path, required=True, help="output HDF5")
    parser.add_argument("--threads", type=int, default=1, help="of torch; as many processes load images")


def run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    take_gpus(1)
    settings = EmbedConfig.model_validate_json(arguments.config)
    compute_on(arguments.threads)
    choose_convolutions(settings.model.embedding_precision == "tf32", settings.model.training.cudnn_benchmark)
    trained = load_model(arguments.model)
    labels = _attended_labels(arguments.labels, trained)
    device = Accelerator().device
    network = make_ready(trained.network, settings.model, device)
    manifest = {split: read_manifest(arguments.manifest, split) for split in SPLITS}
    rows = {split: readable(listed) for split, listed in manifest.items()}
    for split, listed in rows.items():
        if not listed:
            raise UserError(f"{arguments.manifest}: no readable image in split {split!r}")
    inputs = {"manifest": arguments.manifest, "model": arguments.model}
    if labels is not None:
        inputs["labels"] = labels.path
    record = provenance("reid.stages.embed", settings.model_dump(mode="json"), inputs)
    record["unreadable"] = {split: len(manifest[split]) - len(rows[split]) for split in SPLITS}
    names = [*HOLISTIC, *trained.part_names]
    size = settings.model.size
    with torch.inference_mode():
        empty = torch.zeros(1, 3, *size, device=device), torch.zeros(1, len(trained.part_names), 1, 1, device=device)
        cells = tuple(network(*empty).attention.shape[-2:])
    with writing(arguments.embeddings, names, cells, record, trained.part_attention) as writer:
        for split, listed in rows.items():
            loader = embedding_loader(Path(settings.root), listed, size, BATCH, arguments.threads, labels)
            batches = -(-len(listed) // BATCH)
            embedded = embed_batches(network, loader, settings.model, device)
            for one in track(embedded, f"embedding {split}", "batch", batches):
                writer.append(split, one)


def _attended_labels(path: Path | None, trained: TrainedModel) -> LabelFile | None:
    """The labels that are a model's attention; None of a model that learnt its own, or has stripes."""
    if trained.settings.head.attention != "labels":
        return None
    if path is None:
        raise UserError("embed: this model's attention are part labels; give those of query and gallery by --labels")
    labels = LabelFile(path)
    if labels.part_names != trained.part_names:
        known = ", ".join(trained.part_names)
        raise UserError(f"{path}: has the parts {', '.join(labels.part_names)}, but the model knows {known}")
    return labels
