"""`reid show`: one page about any image, and a line for a key that is none."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from artefacts.errors import UserError
from artefacts.manifest import read_manifest
from reid.__main__ import main
from reid.checkpoints.store import new_model, save_model
from reid.commands.show import key_of
from reid.config.files import CONFIGURATION
from reid.config.root import Model, ModelInUse
from reid.data.loading import embedding_loader
from reid.embeddings.extract import embed
from reid.embeddings.store import HOLISTIC, reading, writing
from reid.report.figures.attention import CELL, COLUMNS
from reid.report.figures.ranking_sheet import GAP, RIGHT, TITLE, WRONG
from reid.report.figures.single_image import with_queries
from tests.people import COARSE, People

PROJECT = Path(__file__).resolve().parents[4]
SEEN = np.array([True, False, True, True, True])


@pytest.fixture(scope="module")
def folder(people: People, config, tmp_path_factory) -> Path:
    """A folder with a configuration and the results of an untrained model, all of whose arms are hidden."""
    folder = tmp_path_factory.mktemp("show")
    tiny = {"extends": "small", "size": [64, 32], "backbone": {"name": "resnet10t", "weights": None, "levels": [2]}}
    dataset = {"reader": "market1501", "root": str(people.root), "scheme": "five", "pifpaf": "small"}
    over = {"datasets": {"people": dataset}, "models": {"tiny": tiny}}
    (folder / "over.yaml").write_text(yaml.safe_dump(over))
    results = folder / "results/people"
    (results / "parsing").mkdir(parents=True)
    shutil.copy(people.manifest, results / "manifest.csv")
    shutil.copy(people.labels, results / "parsing/five.h5")
    entry = config.model("small").model_dump(mode="json") | {"size": [64, 32], "backbone": tiny["backbone"]}
    settings = ModelInUse.model_validate_json(json.dumps({name: entry[name] for name in ModelInUse.model_fields}))
    torch.manual_seed(0)
    network = new_model(Model.of(settings), 5, 4).eval()
    save_model(results / "tiny/seed1/model.safetensors", network.state_dict(), Model.of(settings), [*COARSE], 4, {})
    with writing(results / "tiny/seed1/embeddings.h5", [*HOLISTIC, *COARSE], (8, 4), {}) as writer:
        for split in ("query", "gallery"):
            for batch in embedding_loader(people.root, read_manifest(people.manifest, split), (64, 32), 64, 0):
                kept = embed(network, batch, settings, torch.device("cpu"))
                kept.visibility[:, 2:] = SEEN
                writer.append(split, kept)
    return folder


def show(folder: Path, *arguments: str) -> int:
    files = ["--configfile", *(str(PROJECT / name) for name in CONFIGURATION), str(folder / "over.yaml"), "--results"]
    return main(["show", *arguments, "--dataset", "people", *files, str(folder / "results")])


def keys(folder: Path, split: str) -> list[str]:
    return [image.key for image in read_manifest(folder / "results/people/manifest.csv", split) if image.identity]


def test_a_query_is_shown_with_the_ranking_of_each_part_that_it_shows(folder, capsys):
    query = keys(folder, "query")[0]
    assert show(folder, query, "--model", "tiny") == 0
    picture = folder / "results/people/tiny/show.png"
    assert capsys.readouterr().out == f"{picture}\n"
    page = np.asarray(Image.open(picture))
    frames = [tuple(page[GAP + 2 * TITLE + 1, GAP + (len(COLUMNS) + part) * CELL[0] + 1]) for part in range(5)]
    assert frames == [RIGHT if seen else WRONG for seen in SEEN]
    assert ranked_rows(page) == SEEN.sum() + 1


def ranked_rows(page: np.ndarray) -> int:
    """How many rows begin with the frame of a query."""
    line = (page[:, GAP + 1] == (70, 70, 70)).all(axis=1)
    starts = np.flatnonzero(np.diff(line.astype(int)) == 1)
    return sum(line[start + 1 : start + 150].all() for start in starts)


def test_images_of_gallery_and_training_are_shown_too(folder):
    gallery, training = keys(folder, "gallery")[0], keys(folder, "train")[0]
    picture = folder / "several.png"
    assert show(folder, gallery, Path(training).name, "--model", "tiny", "--picture", str(picture)) == 0
    assert ranked_rows(np.asarray(Image.open(picture))) == SEEN.sum() + 1


def test_a_gallery_image_is_ranked_like_a_query(folder):
    with reading(folder / "results/people/tiny/seed1/embeddings.h5") as file:
        swapped = with_queries(file, file.gallery)
        assert swapped.query.key == swapped.gallery.key == file.gallery.key
        assert file.query.key != file.gallery.key


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query/none.jpg"], "query/none.jpg: is no image of the manifest; the nearest is "),
        (["QUERY", "--seed", "7"], "seed7/embeddings.h5: is missing; make it: snakemake --cores 2 "),
        (["x", "--matching", "angle"], "matching: 'angle' is not one of default, "),
        (["x", "--configfile", "absent.yaml"], "absent.yaml: cannot be read (")
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_on_one_line(folder, capsys, arguments, message):
    arguments = [keys(folder, "query")[0] if word == "QUERY" else word for word in arguments]
    if "--configfile" in arguments:
        assert main(["show", *arguments, "--dataset", "people", "--model", "tiny"]) == 1
    else:
        assert show(folder, *arguments, "--model", "tiny") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_an_ending_names_one_key():
    assert key_of("ba.jpg", ["query/a.jpg", "train/ba.jpg"]) == "train/ba.jpg"
    with pytest.raises(UserError, match=r"a\.jpg: is the end of 2 keys, such as query/a\.jpg; give all of one"):
        key_of("a.jpg", ["query/a.jpg", "train/a.jpg", "train/ba.jpg"])
