"""Draw labels beside the attention maps that were learned from them (Figure 1)."""

import argparse
from pathlib import Path

from artefacts.config import Count, Section
from artefacts.files import replacing
from parsing.store import LabelFile
from reid.embeddings.store import reading
from reid.report.figures.attention import attention_sheet


class Settings(Section):
    """The slice of the configuration that decides this stage."""

    root: str
    images: Count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: root, images")
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True, help="output PNG")


def run(arguments: argparse.Namespace) -> None:
    settings = Settings.model_validate_json(arguments.config)
    with reading(arguments.embeddings) as file:
        page = attention_sheet(file, LabelFile(arguments.labels), Path(settings.root), settings.images)
    with replacing(arguments.picture) as path:
        page.save(path, "PNG")
