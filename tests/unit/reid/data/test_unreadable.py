"""Test images that cannot be read are ignored, and the metrics say how many they are."""

import json

from artefacts.manifest import read_manifest, write_manifest
from reid.checkpoints.store import new_model, save_model
from reid.config.root import Model
from reid.data.loading import embedding_loader
from tests.people import stage


def test_unreadable_test_images_are_counted_in_the_metrics(people, config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("reid.stages.embed.embedding_loader", lambda *given: embedding_loader(*given[:4], 0))
    whole = config.model("small").model_dump(mode="json")
    entry = {name: whole[name] for name in Model.model_fields} | {"size": [64, 32]}
    entry["backbone"] = {"name": "resnet10t", "weights": None, "levels": [1, 2]}
    settings = Model.model_validate_json(json.dumps(entry))
    model, manifest, embeddings = tmp_path / "model.safetensors", tmp_path / "manifest.csv", tmp_path / "e.h5"
    save_model(model, new_model(settings, 5, 4).state_dict(), settings, list("abcde"), 4, {})
    rows = read_manifest(people.manifest)
    broken = {row.key for row in [row for row in rows if row.split == "gallery"][-3:]} | {
        next(row.key for row in rows if row.split == "query")
    }
    write_manifest(manifest, [row._replace(width=0, height=0) if row.key in broken else row for row in rows])
    in_use = {name: whole[name] for name in ("visibility", "embedding_precision")}
    asked = {"model": entry | in_use, "root": str(people.root)}
    assert stage("embed", config=asked, manifest=manifest, model=model, embeddings=embeddings, threads=1) == 0
    matching = {"name": "global", "matching": {"embeddings": ["global"], "visibility": False}}
    assert stage("evaluate", config=matching, embeddings=embeddings, metrics=tmp_path / "m.json") == 0
    counts = json.loads((tmp_path / "m.json").read_text())["results"]["global"]["counts"]
    assert (counts["queries"], counts["queries_unreadable"]) == (11, 1)
    assert (counts["gallery"], counts["gallery_unreadable"]) == (13, 3)
    assert "1 queries and 3 gallery images could not be read and are ignored" in capsys.readouterr().out
