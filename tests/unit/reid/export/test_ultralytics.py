"""An exported file as the ReID model of Ultralytics' tracker; needs it (make test-extras EXTRAS=ultralytics)."""

from importlib.metadata import version

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("ultralytics", reason="needs ultralytics: make test-extras EXTRAS=ultralytics")
pytest.importorskip("onnxscript", reason="needs the extra export: make test-extras EXTRAS=ultralytics")

from ultralytics.engine.results import Boxes
from ultralytics.trackers.bot_sort import BOTSORT
from ultralytics.trackers.utils.reid import ReID
from ultralytics.utils import YAML, IterableSimpleNamespace
from ultralytics.utils.checks import check_yaml

from reid.adapters.boxes import cropped
from reid.search.extractor import load
from tests.pages import blocks_of
from tests.tracking import demo_pack, exported, switches, tracked
from tests.video import Video, draw_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pack(tmp_path_factory, config):
    return demo_pack(tmp_path_factory.mktemp("pack"), config)


@pytest.fixture(scope="module")
def file(tmp_path_factory, pack):
    return exported(pack, tmp_path_factory.mktemp("exported"), __file__) / "ultralytics.onnx"


@pytest.fixture
def told(file, monkeypatch):
    """What the page writes into a tracker's file, where its model lies."""
    (block,) = blocks_of(__file__, "yaml")
    monkeypatch.chdir(file.parent)
    return yaml.safe_load(block.code)


def test_its_encoder_gives_nearly_our_vectors(pack, file):
    """Not quite: it cuts a little more than the box, and makes squares of 224 pixels of the crops first."""
    video, encoder = draw_video(frames=12), ReID(str(file), device="cpu")
    frame, boxes = video.frames[6], video.boxes[6]
    sides = boxes[:, 2:] - boxes[:, :2]
    found = encoder(np.ascontiguousarray(frame[:, :, ::-1]), np.concatenate([boxes[:, :2] + sides / 2, sides], axis=1))
    wide = [(left - 5, top - 5, right + 5, bottom + 5) for left, top, right, bottom in boxes * 1.0]
    wanted = load(pack, "cpu").embed([cropped(frame, box) for box in wide]).flat()
    alike = (np.stack(found) * wanted).sum(axis=1)
    assert np.allclose(np.linalg.norm(np.stack(found), axis=1), 1, atol=1e-4)
    assert alike.min() > 0.85, f"ultralytics {version('ultralytics')}: {alike}"


def test_its_tracker_takes_the_file(told, capsys):
    video = draw_video(frames=60)
    models = {"motion": told | {"with_reid": False}, "file": told}
    found = {name: run(video, given) for name, given in models.items()}
    with capsys.disabled():
        numbers = {name: switches(one) for name, one in found.items()}
        print(f"\nultralytics {version('ultralytics')}, BoT-SORT, identity switches:", numbers)
    assert sum(map(len, found["file"])) > 0.8 * sum(map(len, video.boxes))
    assert found["file"] != found["motion"]


@pytest.mark.parametrize(("changes", "again"), [({}, True), ({"proximity_thresh": 0.5}, False)])
def test_a_person_is_found_where_no_box_overlaps(told, changes, again):
    """As the page sets it; its own 0.5 compares only boxes that overlap by half."""
    assert YAML.load(check_yaml("botsort.yaml"))["proximity_thresh"] == 0.5
    person = draw_video(people=1, frames=4)
    left, top, right, bottom = person.boxes[0][0].round().astype(int)
    crop = person.frames[0][top:bottom, left:right]
    frames, boxes = [], []
    for x in (20, 420):
        frame = np.zeros_like(person.frames[0])
        frame[50 : 50 + len(crop), x : x + crop.shape[1]] = crop
        frames.append(frame)
        boxes.append(np.array([[x, 50, x + crop.shape[1], 50 + len(crop)]], np.float32))
    first, second = run(Video(frames, boxes, [np.array([0])] * 2), told | changes)
    assert list(first) == [0]
    assert (second == first) is again


def run(video, changes: dict) -> list[dict[int, int]]:
    settings = YAML.load(check_yaml("botsort.yaml")) | {"gmc_method": "none", "device": "cpu"} | changes
    tracker = BOTSORT(IterableSimpleNamespace(**settings))

    def update(boxes, frame):
        rows = np.concatenate([boxes, np.tile([0.9, 0], (len(boxes), 1))], axis=1).astype(np.float32)
        found = tracker.update(Boxes(torch.from_numpy(rows), frame.shape[:2]).cpu().numpy(), frame)
        return [(row[4], int(row[7])) for row in np.asarray(found).reshape(-1, 8)]

    return tracked(video, update)
