"""The authors' checkpoints: imported, they give the embeddings that the released network gives."""

import functools
import json
import os

import numpy as np
import pytest
import torch

from artefacts.errors import UserError
from reid.__main__ import main
from reid.checkpoints.official import our_weights, read_released
from reid.checkpoints.official_settings import differences, unsupported
from reid.checkpoints.store import load_model
from reid.config.root import ModelInUse
from reid.data.samples import TestBatch, normalised
from reid.embeddings.extract import embed
from tests.official import released
from tests.official.files import IDENTITIES, LEAST, import_checkpoint, settings, write_checkpoint


@pytest.fixture
def save(tmp_path):
    """Write a checkpoint of these parameters and settings."""
    return functools.partial(write_checkpoint, tmp_path / "released.pth.tar")


def occluded(config, name: str, size: tuple[int, int]) -> ModelInUse:
    entry = ModelInUse.of(config.model(name)).model_dump(mode="json")
    return ModelInUse.model_validate_json(json.dumps(entry | {"size": size}))


@pytest.mark.parametrize(
    ("backbone", "model", "size", "several_gpus"),
    [
        ("resnet50", "resnet50_official_occluded", (64, 32), True),
        pytest.param("hrnet32", "hrnet_official_occluded", (64, 32), False, marks=pytest.mark.slow),
        pytest.param("resnet50", "resnet50_official_occluded", (256, 128), False, marks=pytest.mark.slow),
        pytest.param("hrnet32", "hrnet_official_occluded", (384, 128), True, marks=pytest.mark.slow),
    ],
)
def test_its_embeddings_are_theirs(config, save, tmp_path, backbone, model, size, several_gpus):
    images = torch.randint(0, 256, (3, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    parameters = released.Parameters()
    features = getattr(released, backbone)(parameters, normalised(images))
    theirs = released.embeddings(parameters, features, 8, IDENTITIES)
    saved = {f"module.{name}": tensor for name, tensor in parameters.items()} if several_gpus else parameters
    ours = occluded(config, model, size)
    assert import_checkpoint(config, save(saved, settings(backbone, size)), tmp_path / "model.safetensors", ours) == 0
    trained = load_model(tmp_path / "model.safetensors")
    batch = TestBatch(images, torch.arange(3), torch.ones(3, dtype=torch.long), list("abc"), None)
    found = embed(trained.network, batch, ours, torch.device("cpu"))
    assert theirs["visible"].any()
    assert not theirs["visible"].all()
    np.testing.assert_array_equal(found.visibility[:, 2:], theirs["visible"])
    for place, name in ((0, "global"), (1, "foreground"), (slice(2, None), "parts")):
        assert theirs[name].std() > 0.1
        np.testing.assert_allclose(found.features[:, place], theirs[name], atol=1e-4)
    assert trained.part_names == list(config.schemes["eight"].parts)
    assert trained.settings.backbone.last_stride == {"resnet50": 1, "hrnet32": None}[backbone]
    assert trained.provenance["released"]["scores"] == {"epoch": 120, "rank1": pytest.approx(0.751), "mAP": 0.625}
    assert trained.provenance["released"]["settings"]["project"]["job_id"] == 10670


class Planted:
    """Pickles as a call of posix.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("place", ["scheduler", "config", "state_dict"])
def test_planted_code_does_not_run(save, tmp_path, place, capsys):
    trace, config = tmp_path / "trace", settings("resnet50", (256, 128))
    planted = {place: Planted(f"touch {trace}")} if place != "config" else {}
    if place == "config":
        config["notes"] = Planted(f"touch {trace}")
    file = save(LEAST, config, **planted)
    words = ["import-official", str(file), "--model", "resnet50_official", "--output", str(tmp_path / "out")]
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "asks for posix.system" in line
    assert not trace.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "called", ["os.system", "builtins.eval", "torch.load", "subprocess.Popen", "yacs.config.load_cfg"]
)
def test_nothing_but_numbers_texts_and_settings_is_unpickled(tmp_path, called):
    module, _, name = called.rpartition(".")
    torch.save(
        {"state_dict": {}, "config": "REPLACED"}, tmp_path / "evil.pth.tar", _use_new_zipfile_serialization=False
    )
    content = (tmp_path / "evil.pth.tar").read_bytes()
    assert content.count(b"REPLACED") == 1
    evil = f"c{module}\n{name}\n(X\x04\x00\x00\x00evilt".encode() + b"R"
    (tmp_path / "evil.pth.tar").write_bytes(content.replace(b"X\x08\x00\x00\x00REPLACED", evil))
    with pytest.raises(UserError, match=rf"asks for {called.removeprefix('builtins.')}, .* do not trust this file"):
        read_released(tmp_path / "evil.pth.tar")


@pytest.mark.parametrize("content", [b"", b"damaged", b"PK" + bytes(100)])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    (tmp_path / "broken.pth.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pth\.tar: is no released checkpoint"):
        read_released(tmp_path / "broken.pth.tar")


def test_a_checkpoint_of_another_network(tmp_path):
    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}, "epoch": 3}, tmp_path / "other.pth.tar")
    with pytest.raises(UserError, match="is no released checkpoint"):
        read_released(tmp_path / "other.pth.tar")


class TestParameters:
    WANTED = {"part_classifier.weight": torch.zeros(9, 4), "necks.global.classifier.weight": torch.zeros(IDENTITIES, 4)}

    def test_each_has_its_place(self):
        weights, left_out = our_weights(LEAST | {"background_identity_classifier.bn.bias": torch.zeros(4)}, self.WANTED)
        assert weights.keys() == self.WANTED.keys()
        assert left_out == {"background_identity_classifier": 1}

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"mask_classifier.weight": torch.zeros(1)}, "mask_classifier.weight has no place"),
            ({"pixel_classifier.bn.weight": torch.zeros(4)}, "pixel_classifier.bn.weight has no place"),
            (
                {"pixel_classifier.classifier.weight": torch.zeros(6, 4, 1, 1)},
                r"shape \[6, 4, 1, 1\], not \[9, 4\]",
            ),
            ({"global_identity_classifier.classifier.weight": None}, "lacks necks.global.classifier.weight"),
        ],
    )
    def test_what_does_not_fit_is_named(self, changes, message):
        weights = {name: tensor for name, tensor in (LEAST | changes).items() if tensor is not None}
        with pytest.raises(ValueError, match=message):
            our_weights(weights, self.WANTED)


JITTER = {"brightness": 0.2, "contrast": 0.15, "saturation": 0.0, "hue": 0.0, "always_apply": False, "p": 0.5}


class TestSettings:
    @pytest.fixture
    def model(self, config) -> ModelInUse:
        return ModelInUse.of(config.model("hrnet_official_occluded"))

    def test_an_entry_that_fits(self, model):
        assert not differences(settings("hrnet32", (384, 128)), model)

    def test_a_file_without_settings_is_not_compared(self, model):
        assert not differences({}, model)

    @pytest.mark.parametrize(
        ("backbone", "size", "changes", "found"),
        [
            ("resnet50", (384, 128), {}, "model.bpbreid.backbone is 'resnet50', not 'hrnet32'"),
            ("hrnet32", (256, 128), {}, "data.height is 256, not 384"),
            ("hrnet32", (384, 128), {"dim_reduce_output": 256}, "model.bpbreid.dim_reduce_output is 256, not 512"),
            ("hrnet32", (384, 128), {"test_embeddings": ["parts"]},
             "model.bpbreid.test_embeddings is ['parts'], not ['bn_foreg', 'parts']"),
        ],
    )  # fmt: skip
    def test_each_difference_is_named(self, model, backbone, size, changes, found):
        assert differences(settings(backbone, size, **changes), model) == [found]

    def test_the_weights_of_the_losses_are_compared(self, config):
        holistic = ModelInUse.of(config.model("hrnet_official_occluded_reid"))
        assert differences(settings("hrnet32", (384, 128)), holistic) == [
            "data.transforms is ['rc', 're'], not ['rc', 're', 'rf', 'cj']",
            "loss.part_based.weights.pixls.ce is 0.35, not 0.7",
            "loss.part_based.weights.foreg.tr is 0.0, not 1.0",
        ]

    @pytest.mark.parametrize("model", ["hrnet_official_occluded_reid", "resnet50_official_occluded_reid"])
    @pytest.mark.parametrize("names", [["rc", "re", "rf", "cj"], ["Color_Jitter", "rf", "random_crop", "random_erase"]])
    def test_those_of_occluded_reid_fit_its_entries(self, config, model, names):
        entry = ModelInUse.of(config.model(model))
        theirs = settings("resnet50" if model.startswith("resnet50") else "hrnet32", entry.size)
        theirs["data"] |= {"transforms": names, "cj": JITTER}
        theirs["loss"]["part_based"]["weights"] |= {"pixls": {"ce": 0.7}, "foreg": {"id": 1.0, "tr": 1.0}}
        assert differences(theirs, entry) == unsupported(theirs, entry) == []
        theirs["data"]["cj"] = JITTER | {"brightness": 0.3, "hue": 0.1}
        assert differences(theirs, entry) == ["data.cj.brightness is 0.3, not 0.2"]
        assert unsupported(theirs, entry) == ["data.cj.hue is 0.1, not 0.0"]

    def test_what_no_entry_can_have(self, model):
        theirs = settings("hrnet32", (384, 128), pooling="gmp", masks={"type": "stripes"})
        assert unsupported(theirs, model) == [
            "model.bpbreid.pooling is 'gmp', not 'gwap'", "model.bpbreid.masks.type is 'stripes', not 'disk'",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim_reduce": "none"}, "does not fit models.own: model.bpbreid.dim_reduce is 'none'"),
        ({"pooling": "gmp"}, "pooling is 'gmp', not 'gwap': no entry can have that"),
    ],
)
def test_what_does_not_fit_the_entry_is_one_line(config, save, tmp_path, capsys, changes, message):
    model = occluded(config, "resnet50_official_occluded", (256, 128))
    assert (
        import_checkpoint(config, save(LEAST, settings("resnet50", (256, 128), **changes)), tmp_path / "out", model)
        == 1
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_model_that_config_yaml_does_not_have(save, tmp_path, capsys):
    file = save(LEAST, settings("resnet50", (256, 128)))
    words = ["import-official", str(file), "--model", "resnet51", "--output", str(tmp_path / "out")]
    assert main(words) == 1
    assert "'resnet51' is not one of models in config.yaml" in capsys.readouterr().err
