"""Training and embedding where attention is fixed, and with visibility in training: the stages on a few people."""

import numpy as np
import pytest

from artefacts.manifest import read_manifest
from artefacts.weights import read_metadata
from parsing.store import LabelFile, write_labels
from reid.config.root import Model, ModelInUse
from reid.data.loading import embedding_loader
from reid.embeddings.store import reading
from reid.model.attention import confidence_maps
from tests.people import stage

FIXED = {"attention_weight": 0.0}
SEEN = {"triplet_visibility": {"rule": "argmax", "threshold": 0.4}}


def options(config, people, folder, head, loss) -> dict:
    """Settings and files of a training of one epoch, seconds long."""
    whole = config.model("small").model_dump(mode="json")
    entry = {name: whole[name] for name in ModelInUse.model_fields} | {"size": [64, 32]}
    entry["training"] |= {"epochs": 1, "ids_per_batch": 4, "images_per_id": 2, "warmup_epochs": 0}
    entry["backbone"] = {"name": "resnet10t", "weights": None, "levels": [2]}
    entry["head"], entry["loss"] = entry["head"] | head, entry["loss"] | loss
    return {"model": entry, "root": str(people.root)}


def train(config, people, folder, head, loss, **files) -> int:
    settings = options(config, people, folder, head, loss)
    settings |= {"roots": {"people": settings.pop("root")}, "sampling": "size", "seed": 1}
    settings["model"] = {name: value for name, value in settings["model"].items() if name in Model.model_fields}
    outputs = {name: folder / file for name, file in (("model", "m.safetensors"), ("history", "h"), ("state", "s"))}
    return stage("train", config=settings, manifest=people.manifest, **outputs, **files)


def embed(config, people, folder, head, loss, **files) -> int:
    settings = options(config, people, folder, head, loss)
    places = {"model": folder / "m.safetensors", "embeddings": folder / "e.h5"}
    return stage("embed", config=settings, manifest=people.manifest, **places, **files)


def test_pcb_needs_no_labels_and_shows_every_stripe(config, people, tmp_path):
    chosen = {"attention": "stripes", "stripes": 3, "reduction": 8}, FIXED | {"identity": ["parts"], "triplet": []}
    assert train(config, people, tmp_path, *chosen) == 0
    metadata = read_metadata(tmp_path / "m.safetensors")
    assert metadata["part_names"] == ["stripe_1", "stripe_2", "stripe_3"]
    assert set(metadata["provenance"]["inputs"]) == {"manifest"}
    assert (tmp_path / "h").read_text().splitlines()[0] == "epoch,learning_rate,loss,identity_parts,identity_accuracy"
    assert embed(config, people, tmp_path, *chosen) == 0
    with reading(tmp_path / "e.h5") as file:
        assert file.parts == ["stripe_1", "stripe_2", "stripe_3"]
        assert file.query.visibility.all()
        assert file.query.features([2]).shape == (len(file.query), 8)


def test_the_labels_are_the_attention_of_query_and_gallery(config, people, tmp_path):
    chosen = {"attention": "labels"}, FIXED
    assert train(config, people, tmp_path, *chosen, labels=people.labels) == 0
    assert embed(config, people, tmp_path, *chosen, labels=people.labels) == 0
    with reading(tmp_path / "e.h5") as file:
        assert file.provenance["inputs"]["labels"]["file"] == "labels.h5"
        for name, split in (("query", file.query), ("gallery", file.gallery)):
            rows = read_manifest(people.manifest, name)
            (batch,) = embedding_loader(people.root, rows, (64, 32), 64, 0, LabelFile(people.labels))
            maps = confidence_maps(batch.confidences / 255, file.cells).numpy()
            for number in range(len(split)):
                np.testing.assert_allclose(split.attention(number), maps[number], atol=0.51 / 255)
            np.testing.assert_array_equal(split.visibility[:, 2:], (maps[:, 1:] > 0.4).any((2, 3)))
            assert not split.visibility.all()


@pytest.mark.parametrize("learnt", ["train", "embed"])
def test_labels_that_are_wanted_are_asked_for(config, people, tmp_path, capsys, learnt):
    chosen = {"attention": "labels"}, FIXED
    if learnt == "embed":
        assert train(config, people, tmp_path, *chosen, labels=people.labels) == 0
    assert {"train": train, "embed": embed}[learnt](config, people, tmp_path, *chosen) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("by --labels")


def test_labels_of_other_parts_are_refused(config, people, tmp_path, capsys):
    chosen = {"attention": "labels"}, FIXED
    assert train(config, people, tmp_path, *chosen, labels=people.labels) == 0
    row = {"key": "a", "status": "ok", "labels": np.zeros((4, 2)), "confidences": np.zeros((1, 4, 2))}
    write_labels(tmp_path / "other.h5", (4, 2), ["hat"], [0, 1], 1, [row], {})
    assert embed(config, people, tmp_path, *chosen, labels=tmp_path / "other.h5") == 1
    assert "other.h5: has the parts hat, but the model knows head, arms" in capsys.readouterr().err


def test_training_with_visibility_differs(config, people, tmp_path):
    histories = []
    for name, loss in (("all", {}), ("seen", SEEN)):
        (tmp_path / name).mkdir()
        assert train(config, people, tmp_path / name, {}, loss, labels=people.labels) == 0
        histories.append((tmp_path / name / "h").read_text().splitlines())
    assert histories[0][0] == histories[1][0]
    assert histories[0][1] != histories[1][1]
