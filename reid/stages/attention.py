"""Draw labels next to the attention maps that were learned from them (Figure 1)."""

import argparse
from pathlib import Path

from artefacts.files import replacing
from parsing.store import LabelFile
from reid.config.stages import AttentionConfig
from reid.embeddings.store import reading
from reid.report.figures.attention import attention_sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: root, images")
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True, help="output PNG")


def run(arguments: argparse.Namespace) -> None:
    settings = AttentionConfig.model_validate_json(arguments.config)
    with reading(arguments.embeddings) as file:
        page = attention_sheet(file, LabelFile(arguments.labels), Path(settings.root), settings.images)
    with replacing(arguments.picture) as path:
        page.save(path, "PNG")
