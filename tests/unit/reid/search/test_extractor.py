"""A model out of a pack sees images as stage embed does, whatever form they come in."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import reid
from artefacts.errors import UserError
from artefacts.manifest import read_manifest
from reid.data.loading import embedding_loader
from reid.embeddings.extract import embed
from tests.conftest import PROJECT
from tests.packs import PARTS, trained, write


@pytest.fixture(scope="module")
def model(config, tmp_path_factory):
    return reid.load(write(tmp_path_factory.mktemp("pack"), config), "cpu")


@pytest.fixture(scope="module")
def paths(people):
    return [people.root / row.key for row in read_manifest(people.manifest, "query")[:5]]


@pytest.mark.parametrize("entry", ["small", "bot_small", "pcb_small"])
def test_features_are_those_of_stage_embed(entry, config, people, tmp_path):
    known, settings = trained(config, entry)
    rows = read_manifest(people.manifest, "query")[:5]
    (batch,) = embedding_loader(people.root, rows, settings.size, 64, 0)
    expected = embed(known.network, batch, settings, torch.device("cpu"))
    seen = reid.load(write(tmp_path, config, entry), "cpu").embed(people.root / row.key for row in rows)
    np.testing.assert_allclose(seen.embeddings, expected.features, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(seen.visible, expected.visibility)
    np.testing.assert_allclose(seen.scores, expected.score, atol=1e-5)
    assert np.abs(seen.attention.astype(int) - expected.attention).max() <= 1


def test_all_forms_of_an_image_are_the_same(model, paths):
    arrays = [np.array(Image.open(path)) for path in paths]
    expected = model.embed(paths)
    assert expected.names == [str(path) for path in paths]
    tensor = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
    for images, bgr in (
        ([str(path) for path in paths], False),
        ([Image.open(path) for path in paths], False),
        (arrays, False),
        (np.stack(arrays), False),
        ([array[:, :, ::-1] for array in arrays], True),
        (tensor, False),
        (tensor.float() / 255, False),
    ):
        np.testing.assert_allclose(model.embed(images, bgr).embeddings, expected.embeddings, atol=1e-5)
    assert model.embed(arrays[0]).names == ["0"]
    np.testing.assert_allclose(model.embed(paths, batch_size=2).embeddings, expected.embeddings, atol=1e-5)


def test_shapes_and_names(model, paths):
    seen = model.embed(paths)
    assert seen.compared == ["foreground", *PARTS]
    assert (seen.features.shape, seen.visibility.shape) == ((5, 6, model.pack.channels), (5, 6))
    assert seen.attention.shape == (5, 6, 16, 8)
    assert len(model.embed([])) == 0
    assert model.embed([]).features.shape == (0, 6, model.pack.channels)


def test_each_batch_is_one_pass_through_the_network(config, paths, tmp_path):
    """A tracker embeds every frame; what no image would give is computed once."""
    model, passes = reid.load(write(tmp_path, config), "cpu"), []
    model.network.register_forward_hook(lambda *_: passes.append(1))
    model.embed(paths)
    first = len(passes)
    model.embed(paths, batch_size=2)
    model.embed([])
    assert (first, len(passes) - first) == (2, 3)


def test_a_model_is_on_the_device_that_there_is(config, tmp_path, monkeypatch):
    folder = write(tmp_path, config)
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device("meta"))
    assert {one.device.type for one in reid.load(folder).network.parameters()} == {"meta"}
    assert reid.load(folder, "cpu").device.type == "cpu"


def test_unreadable_images_are_reported_and_not_fatal(model, paths, tmp_path):
    (tmp_path / "torn.jpg").write_bytes(paths[0].read_bytes()[:200])
    seen = model.embed([tmp_path / "torn.jpg", paths[0], tmp_path / "gone.jpg"])
    assert seen.names == [str(paths[0])]
    assert seen.failed[str(tmp_path / "gone.jpg")] == "no such file"
    assert set(seen.failed) == {str(tmp_path / "torn.jpg"), str(tmp_path / "gone.jpg")}
    assert len(model.embed(tmp_path / "torn.jpg")) == 0


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (3, "a path, a PIL image, an array or a tensor, not int"),
        (np.zeros((4, 4, 3)), "uint8, not"),
        (np.zeros((2, 4, 4, 2), np.uint8), "has 3 channels"),
        (torch.full((3, 4, 4), 2.0), "within 0..1, not 2..2"),
        (torch.zeros(1, 4, 4), r"\[3, H, W\]"),
    ],
)
def test_what_is_no_image_is_a_type_error(model, image, says):
    with pytest.raises(TypeError, match=says):
        model.embed([image] if isinstance(image, int) else image)


def test_a_pack_holds_no_identity_classifier_and_loads_without_this_repository_s_configuration(config, tmp_path):
    folder = write(tmp_path / "pack", config, "bot_small")
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from reid import load; "
        f"model = load({str(folder)!r}, 'cpu'); "
        "print(*model.network.state_dict()); print({'snakemake', 'parsing.pifpaf', 'openpifpaf'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    names = ran.stdout.splitlines()
    assert names[1] == "set()"
    assert "necks.global.norm.running_var" in names[0].split()
    assert "classifier" not in names[0].replace("part_classifier", "")
    assert [path.name for path in sorted(folder.iterdir())] == ["README.md", "config.json", "model.safetensors"]


def test_attention_of_labels_cannot_be_packed(config, tmp_path):
    with pytest.raises(UserError, match="needs part labels of every image"):
        write(tmp_path, config, "small_fixed_attention")


def change(path, **keys):
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json: no such file; give the folder of a pack"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "is not a pack's configuration"),
        (lambda folder: change(folder / "config.json", format=9), "format 9, this version reads 1"),
        (lambda folder: change(folder / "config.json", colour=9), "colour: unknown key"),
        (lambda folder: change(folder / "config.json", parts=["head"]), "does not fit config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: no such file"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"torn"), "does not fit config.json"),
    ],
)
def test_a_damaged_pack_is_one_line(fault, says, config, tmp_path):
    folder = write(tmp_path / "pack", config)
    fault(folder)
    with pytest.raises(UserError, match=says) as caught:
        reid.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "README.md"])
def test_a_file_of_a_pack_names_it(file, config, tmp_path):
    folder = write(tmp_path / "pack", config)
    assert reid.load(folder / file, "cpu").pack == reid.load(folder, "cpu").pack


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache of the Hugging Face hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_name_on_the_hub_is_the_pack_in_its_cache(hub, config, paths):
    repository, commit = hub / "models--owner--people.small", "0123456789abcdef0123456789abcdef01234567"
    folder = write(repository / "snapshots" / commit, config)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    model = reid.load("owner/people.small", "cpu")
    np.testing.assert_array_equal(model.embed(paths).embeddings, reid.load(folder, "cpu").embed(paths).embeddings)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no/such/pack", "no/such/pack: no such pack; give its folder, or owner/name of one on the Hugging Face hub"),
        (
            "owner/missing",
            r"owner/missing: no such folder, and the Hugging Face hub .* \(Cannot find .*traffic has been disabled",
        ),
    ],
)
def test_a_pack_that_is_nowhere_is_one_line(name, says, hub):
    with pytest.raises(UserError, match=says) as caught:
        reid.load(name)
    assert "\n" not in str(caught.value)


def test_a_repository_that_does_not_exist_is_said(monkeypatch):
    def refuse(name: str, **_: object) -> str:
        raise OSError(f"404 Client Error. (Request ID: 1)\n\nRepository Not Found for {name}.\nIs it private?")

    monkeypatch.setattr("reid.checkpoints.pack.snapshot_download", refuse)
    with pytest.raises(UserError, match=r"it \(404 Client Error.* Repository Not Found for owner/missing") as caught:
        reid.load("owner/missing")
    assert "\n" not in str(caught.value)
