"""TrackLab's own command tracks people by a model pack, found by its entry point; make test-extras runs it."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import reid
from reid.adapters.boxes import cropped
from tests.conftest import PROJECT
from tests.packs import write
from tests.pages import blocks_of
from tests.tracking import new_environment
from tests.video import Video, draw_video, write_mot

REASON = "needs TrackLab: make test-extras, or pip install -r envs/extras/tracklab.txt"
pytest.importorskip("tracklab", reason=REASON)
cv2 = pytest.importorskip("cv2", reason=REASON)
YOLO = pytest.importorskip("ultralytics", reason=REASON).YOLO
pytestmark = pytest.mark.slow

DEMO = PROJECT / "results/synthetic/small/pack"
SETTINGS = (
    "dataset=dancetrack dataset.eval_set=val dataset.public_dets_subpath=det/det.txt "
    "dataset.track_eval.BENCHMARK=MotChallenge2DBox state.load_from_public_dets=true state.save_file=seen.pklz "
    "num_cores=1 visualization=none use_rich=false eval.cfg.eval.PLOT_CURVES=false hydra.run.dir=. "
    "pipeline=[reid,track]"
).split()
PAGE = blocks_of(__file__)
(COMMAND,) = (line for block in PAGE for line in block.lines if line.startswith("tracklab "))
MODULES = [word for word in COMMAND.split() if word.startswith("modules/")]  # as people are told


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables under which the project is installed as its pyproject.toml says, and nothing is sent anywhere."""
    installed = tmp_path_factory.mktemp("installed")
    setup = [sys.executable, "-c", "from setuptools import setup; setup()", "-q", "egg_info", "-e", str(installed)]
    subprocess.run(setup, cwd=PROJECT, check=True)
    path = os.pathsep.join([str(installed), str(PROJECT)])
    quiet = {"WANDB_MODE": "disabled", "YOLO_CONFIG_DIR": str(installed), "YOLO_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    return {**os.environ, "PYTHONPATH": path, **quiet}


def track(folder: Path, videos: Path, pack: Path, environment: dict, *changes: str) -> dict[str, float]:
    """TrackEval's measures, in percent, of what TrackLab makes of the videos. `pack` is told as people would, from
    where they start the command."""
    folder.mkdir()
    told = [f"dataset.dataset_path={videos}", f"modules.reid.model={os.path.relpath(pack, folder)}"]
    command = [str(Path(sys.executable).with_name("tracklab")), *SETTINGS, *MODULES, *told, *changes]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stderr[-3000:]
    names, values = next(folder.rglob("pedestrian_summary.txt")).read_text().splitlines()
    return dict(zip(names.split(), map(float, values.split()), strict=True))


def test_tracklab_gets_what_the_model_sees_in_each_box(config, tmp_path, environment):
    pack = write(tmp_path / "pack", config)
    write_mot(draw_video(people=3, frames=6), tmp_path / "videos/val/one")
    measures = track(tmp_path / "run", tmp_path / "videos", pack, environment)
    with zipfile.ZipFile(tmp_path / "run/seen.pklz") as file, file.open("1.pkl") as content:
        found = pd.read_pickle(content)
    frames = [np.array(Image.open(path)) for path in sorted((tmp_path / "videos/val/one/img1").iterdir())]
    boxes = [np.array([left, top, left + width, top + height]) for left, top, width, height in found.bbox_ltwh]
    crops = [cropped(frames[number], box) for number, box in zip(found.image_id, boxes, strict=True)]
    seen = reid.load(pack, "cpu").embed(crops)
    assert (len(found), found.track_id.isna().sum()) == (measures["Dets"], 0)
    np.testing.assert_allclose(np.stack(found.embeddings), seen.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.stack(found.visibility_scores), seen.visibility)
    assert not seen.visibility.all()


def test_the_lines_of_the_page_track_people_in_a_video(config, tmp_path, environment):
    """All of them in one shell as they stand, but for what sets up an environment: this one stands in for it. And the
    weights of the detector are not YOLO's, which cannot be had everywhere: they find people in the same boxes of
    every frame."""
    set_up, *rest = (line for block in PAGE for line in block.lines)
    (tmp_path / new_environment(set_up)).symlink_to(sys.prefix)
    write(tmp_path / "results/synthetic/small/pack", config)
    video = draw_video(people=2, frames=4)
    write_mp4(video, tmp_path / "video.mp4")
    write_detector(tmp_path / "pretrained_models/yolo/yolo11m.pt")
    script = ["bash", "-euc", "\n".join(rest)]
    ended = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-3000:]
    with zipfile.ZipFile(tmp_path / "states/tracklab.pklz") as file, file.open("0.pkl") as content:
        found = pd.read_pickle(content)
    assert len(found) > len(video.frames)
    assert found.groupby("image_id").size().nunique() == 1
    assert not found.track_id.isna().any()
    assert {one.shape for one in found.embeddings} == {
        (6, reid.load(tmp_path / "results/synthetic/small/pack").pack.channels)
    }


def write_mp4(video: Video, path: Path) -> None:
    height, width = video.frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15, (width, height))
    for frame in video.frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()


def write_detector(path: Path) -> None:
    """Weights of YOLO11n that are sure of a person in each of its largest cells, and of nothing else."""
    torch.manual_seed(0)
    detector = YOLO("yolo11n.yaml")
    classes = [scale[-1].bias for scale in detector.model.model[-1].cv3]
    with torch.no_grad():
        for bias in classes:
            bias.fill_(-9)
        classes[-1][0] = 3
    path.parent.mkdir(parents=True)
    detector.save(path)


def test_distances_of_its_tracker_are_eq_9():
    from reid.adapters.tracklab import distances

    query, gallery = torch.eye(4)[None, :2], torch.eye(4)[torch.tensor([[1, 1], [0, 2], [3, 3]])]
    visible = torch.tensor([[True, False], [True, True], [False, True]])
    (apart,) = distances(query, gallery, torch.tensor([[True, False]]), visible, use_gpu=False)
    assert apart[0].tolist() == pytest.approx([2**0.5, 0, 2])


@pytest.mark.skipif(not DEMO.exists(), reason="needs the demo's model: make demo")
def test_people_keep_their_identity_by_what_they_look_like(tmp_path, environment, capsys):
    """Against the same tracker by motion alone: no appearance is near enough at a distance of zero."""
    for seed in range(3):
        write_mot(draw_video(seed=seed), tmp_path / f"videos/val/video{seed}")
    seen = track(tmp_path / "seen", tmp_path / "videos", DEMO, environment)
    blind = track(tmp_path / "blind", tmp_path / "videos", DEMO, environment, "modules.track.cfg.max_dist=0")
    with capsys.disabled():
        print(f"\nTrackLab {version('tracklab')}, BPBReIDStrongSORT, by appearance and by motion alone:")
        for name in ("HOTA", "AssA", "IDF1", "IDSW"):
            print(f"  {name}: {seen[name]:g} and {blind[name]:g}")
    assert seen["HOTA"] > blind["HOTA"] + 5
    assert seen["IDF1"] > blind["IDF1"] + 5
    assert seen["IDSW"] < blind["IDSW"]
