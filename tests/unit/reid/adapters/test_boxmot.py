"""A pack in BoxMOT, as its ONNX file and as an appearance model; needs boxmot (make test-extras EXTRAS=boxmot)."""

from importlib.metadata import version

import numpy as np
import pytest
import torch

boxmot = pytest.importorskip("boxmot", reason="needs boxmot: make test-extras EXTRAS=boxmot")
pytest.importorskip("onnxscript", reason="needs the extra export: make test-extras EXTRAS=boxmot")

from boxmot.reid.core import ReID  # noqa: E402
from boxmot.trackers.box.botsort.tracker import BotSort  # noqa: E402

from reid.adapters.boxmot import AppearanceModel  # noqa: E402
from reid.export.graph import Graph  # noqa: E402
from reid.search.extractor import load  # noqa: E402
from tests.pages import blocks_of  # noqa: E402
from tests.tracking import demo_pack, exported, switches, tracked  # noqa: E402
from tests.video import Video, draw_video  # noqa: E402

pytestmark = pytest.mark.slow
BOXES = np.array([[10, 20, 60, 150], [100.4, 30.2, 170.7, 220], [-20, 400, 90, 700]], np.float32)


@pytest.fixture(scope="module")
def pack(tmp_path_factory, config):
    return demo_pack(tmp_path_factory.mktemp("pack"), config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pack):
    return exported(pack, tmp_path_factory.mktemp("exported"), __file__)


@pytest.fixture(scope="module")
def file(folder):
    return folder / "boxmot.onnx"


@pytest.fixture(scope="module")
def frame():
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


def test_its_file_gives_our_vectors(pack, file, frame):
    model, ours = ReID(file, device="cpu").model, load(pack, "cpu")
    assert model.input_shape == ours.size
    assert model.model_name.startswith("bpbreid")
    with torch.no_grad():
        (wanted,) = Graph(ours.network, ours.pack, "boxmot")(model.get_crops(BOXES, frame))
    assert np.abs(model.get_features(BOXES, frame) - wanted.numpy()).max() < 1e-4, f"boxmot {version('boxmot')}"


def test_its_tracker_takes_a_pack_and_its_file(pack, file, capsys):
    video = draw_video(frames=60)
    models = {"pack": {"reid_model": Counted(pack)}, "file": {"reid_weights": file}}
    models["motion"] = {"use_embeddings": False}
    far = {"proximity_thresh": 1.0, "use_cmc": False}  # people are found again wherever they come out
    found = {name: run(video, BotSort(**far, **given)) for name, given in models.items()}
    with capsys.disabled():
        numbers = {name: switches(one) for name, one in found.items()}
        print(f"\nboxmot {version('boxmot')}, BotSort, identity switches:", numbers)
    assert models["pack"]["reid_model"].boxes > len(video.frames)
    for name in ("pack", "file"):
        assert sum(map(len, found[name])) > 0.8 * sum(map(len, video.boxes))
        assert found[name] != found["motion"]


def test_the_page_s_trackers_know_people_by_their_vectors(pack, folder, monkeypatch):
    (block,) = blocks_of(__file__, "py")
    made = {}
    monkeypatch.chdir(folder)
    exec(block.code, made)
    first = draw_video(people=2, frames=6)
    video = Video(first.frames[:1] * 4, first.boxes[:1] * 4, first.identities[:1] * 4)  # people who stand still
    length = load(pack, "cpu").embed(video.frames[0]).flat().shape[1]
    for name in ("from_file", "from_pack"):
        assert [len(people) for people in run(video, made[name])] == [2] * 4
        assert {len(track.smooth_feat) for track in made[name].active_tracks} == {length}


class Counted(AppearanceModel):
    """Counts the boxes that it is asked for."""

    boxes = 0

    def get_features(self, boxes, image):
        self.boxes += len(boxes)
        features = super().get_features(boxes, image)
        assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-4)
        return features


def run(video, tracker) -> list[dict[int, int]]:
    def update(boxes, frame):
        detections = np.concatenate([boxes, np.tile([0.9, 0], (len(boxes), 1))], axis=1).astype(np.float32)
        return [(row[4], int(row[7])) for row in np.asarray(tracker.update(detections, frame)).reshape(-1, 8)]

    return tracked(video, update)
