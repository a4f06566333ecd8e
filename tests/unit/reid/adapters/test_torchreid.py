"""torchreid's call gives the flat vectors of `reid.load`'s model, and trackers that call it work."""

import inspect

import numpy as np
import pytest
import torch

import reid
from artefacts.errors import UserError
from artefacts.imagenet import IMAGENET_MEAN, IMAGENET_STD
from artefacts.manifest import read_manifest
from reid.adapters.boxes import cropped
from reid.adapters.torchreid import FeatureExtractor
from tests.packs import write
from tests.video import draw_video

# Of torchreid 1.4.0, torchreid/reid/utils/feature_extractor.py.
ARGUMENTS = {
    "model_name": "",
    "model_path": "",
    "image_size": (256, 128),
    "pixel_mean": [0.485, 0.456, 0.406],
    "pixel_std": [0.229, 0.224, 0.225],
    "pixel_norm": True,
    "device": "cuda",
    "verbose": True,
}


def arguments_of(kind: type) -> list[tuple[str, object]]:
    """Names and defaults of what it is made with, in order; sequences as tuples."""
    told = {name: one.default for name, one in inspect.signature(kind).parameters.items()}
    return [(name, tuple(value) if isinstance(value, list) else value) for name, value in told.items()]


@pytest.fixture(scope="module")
def pack(config, tmp_path_factory):
    return write(tmp_path_factory.mktemp("pack"), config)


@pytest.fixture(scope="module")
def extractor(pack):
    return FeatureExtractor(model_name="osnet_x1_0", model_path=pack, image_size=(64, 32), device="cpu")


def test_the_call_is_torchreid_s():
    written = [(name, tuple(value) if isinstance(value, list) else value) for name, value in ARGUMENTS.items()]
    assert arguments_of(FeatureExtractor) == written
    assert list(inspect.signature(FeatureExtractor.__call__).parameters) == ["self", "input"]


def test_the_call_is_that_of_the_installed_torchreid():
    utils = pytest.importorskip("torchreid.utils", reason="needs torchreid itself, which no environment here brings")
    assert arguments_of(FeatureExtractor) == arguments_of(utils.FeatureExtractor)


def test_defaults_and_what_the_pack_has_are_taken(pack, capsys):
    """By position, too: model, path, size, mean, deviation, normalise, device, verbose."""
    mean, std = ARGUMENTS["pixel_mean"], ARGUMENTS["pixel_std"]
    quiet = FeatureExtractor("osnet_x1_0", str(pack), [256, 128], mean, std, True, "cpu", False)
    assert (quiet.model.device.type, capsys.readouterr().out) == ("cpu", "")
    FeatureExtractor(model_path=pack, image_size=[64, 32], device="cuda")  # that there is
    parameters = sum(one.numel() for one in quiet.model.network.parameters())
    assert capsys.readouterr().out == f"Model: people/small\n- params: {parameters:,}\n"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"image_size": (384, 128)}, "image_size: the pack's is [64, 32], not [384, 128]; leave it out"),
        ({"image_size": 256}, "image_size: the pack's is [64, 32], not [256, 256]; leave it out"),
        ({"pixel_mean": [0.5] * 3}, "pixel_mean: the pack's is [0.485, 0.456, 0.406], not [0.5, 0.5, 0.5]; leave it"),
        ({"pixel_std": [1, 1, 1]}, "pixel_std: the pack's is [0.229, 0.224, 0.225], not [1, 1, 1]; leave it out"),
        ({"pixel_norm": False}, "pixel_norm: the pack's is True, not False; leave it out"),
    ],
)
def test_what_the_pack_does_otherwise_is_one_line(given, says, pack):
    with pytest.raises(UserError) as caught:
        FeatureExtractor(model_path=pack, device="cpu", **given)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_vectors_are_the_flat_ones_of_the_model(extractor, pack, people):
    paths = [str(people.root / row.key) for row in read_manifest(people.manifest, "query")[:3]]
    model = reid.load(pack, "cpu")
    expected = model.embed(paths).flat()
    vectors = extractor(paths)
    assert vectors.shape == (3, 6 * model.pack.channels)
    np.testing.assert_array_equal(vectors, expected)
    np.testing.assert_array_equal(extractor(paths[0]), model.embed(paths[0]).flat())


def test_arrays_and_tensors_are_images_of_torchreid_s_kind(extractor, pack):
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3), np.uint8)
    expected = reid.load(pack, "cpu").embed(list(images)).flat()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    for given in (list(images), pixels, (pixels / 255 - mean) / std):
        np.testing.assert_allclose(extractor(given), expected, atol=1e-6)
    assert extractor(images[0]).shape == extractor(pixels[0]).shape == (1, expected.shape[1])


def test_what_it_cannot_do_is_said(extractor, tmp_path):
    with pytest.raises(UserError, match=r"nothing.jpg: cannot be read \(no such file\)"):
        extractor([tmp_path / "nothing.jpg"])
    with pytest.raises(TypeError, match="normalised"):
        extractor(torch.full((1, 3, 64, 32), 128.0))


def test_deep_sort_realtime_tracks_by_it(extractor):
    """A confirmed track remembers the vector of the box that it lies on."""
    reason = "needs OpenCV for deep-sort-realtime: make test-extras, or pip install -r envs/extras/torchreid.txt"
    DeepSort = pytest.importorskip("deep_sort_realtime.deepsort_tracker", reason=reason).DeepSort
    video, tracker = draw_video(people=2, frames=6), DeepSort(embedder=None, n_init=2)
    frame, boxes = video.frames[0], video.boxes[0]
    vectors = extractor([cropped(frame, box) for box in boxes]).numpy()
    found = [([left, top, right - left, bottom - top], 0.9, "person") for left, top, right, bottom in boxes]
    for _ in range(3):
        tracks = tracker.update_tracks(found, embeds=vectors)
    kept = {tuple(track.to_ltrb(orig=True)): track.track_id for track in tracks if track.is_confirmed()}
    assert len(kept) == 2
    for box, vector in zip(boxes, vectors, strict=True):
        np.testing.assert_array_equal(tracker.tracker.metric.samples[kept[tuple(box)]][-1], vector)
