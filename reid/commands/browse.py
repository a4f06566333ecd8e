"""Open a page on this machine to search with: queries, rankings, and what each part says."""

import argparse
from pathlib import Path

from artefacts.errors import UserError
from reid.browse.images import ImageSet, of_features, of_images
from reid.browse.run import of_run
from reid.browse.serve import listening, require_gradio, serve
from reid.browse.session import Session
from reid.commands.finished_run import CONFIGFILE, configuration, require_file
from reid.commands.model import is_of_images, load_pack, read_gallery, require_readable
from reid.config.files import CONFIGURATION
from reid.search.extractor import Extractor

PORT = 7860


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="RUN_OR_PACK", help="results/DATASET/MODEL, or a pack: its folder or hub name")
    parser.add_argument("--gallery", type=Path, help="folder of images, or .npz of reid embed; a run has its dataset's")
    parser.add_argument("--port", type=_port, default=PORT, help=f"of 127.0.0.1 ({PORT}); 0 = any that is free")
    parser.add_argument("--device", help="torch's name of one; a GPU where there is one, unless given")
    parser.add_argument("--configfile", type=Path, nargs="+", default=CONFIGURATION, help=f"of a run: {CONFIGFILE}")


def run(arguments: argparse.Namespace) -> None:
    require_gradio()
    with listening(arguments.port) as listener:
        serve(session(arguments), listener)


def session(arguments: argparse.Namespace) -> Session:
    """The model and the images that the page is about. Raises UserError where either is missing."""
    folder = Path(arguments.model)
    is_run = folder.is_dir() and not (folder / "config.json").exists()
    if is_run:
        arguments.model = require_file(folder / "pack/config.json").parent
    elif arguments.gallery is None:
        raise UserError(f"{folder}: is a pack, which has no images; give --gallery FOLDER, or name the run")
    model = load_pack(arguments)
    if arguments.gallery is None:
        images = _of_run(folder, arguments, model)
        return Session(model, images["gallery"], images["query"])
    gallery = _gallery(arguments.gallery, model)
    return Session(model, gallery, gallery)


def _of_run(folder: Path, arguments: argparse.Namespace, model: Extractor) -> dict[str, ImageSet]:
    """Query and gallery of the dataset of results/DATASET/MODEL."""
    whole = folder.resolve()
    arguments.dataset, arguments.model = whole.parent.name, whole.name
    root = Path(configuration(arguments).datasets[arguments.dataset].root)
    return of_run(require_file(folder / f"seed{model.pack.seed}/embeddings.h5"), model.pack, root)


def _gallery(path: Path, model: Extractor) -> ImageSet:
    return of_images(path, model, require_readable) if is_of_images(path) else of_features(read_gallery(path, model))


def _port(word: str) -> int:
    if not word.isdigit() or int(word) > 65535:
        raise argparse.ArgumentTypeError(f"{word!r} is no port, 0 to 65535")
    return int(word)
