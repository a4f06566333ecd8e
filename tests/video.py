"""A short rendered video of people who cross one another and stop behind a pillar, for tests of trackers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reid.synthetic.people import Capsules, Identity, draw_identity, draw_pose, dress
from reid.synthetic.render import Canvas, View
from reid.synthetic.scenes import SUPERSAMPLED_SCENE, Camera, make_camera

STRIDE = 6  # frames from one pose to the next
MIDDLE, HALF_PILLAR = SUPERSAMPLED_SCENE[0] / 2, 60
DETECTED = 0.35  # share of a person that must be seen


@dataclass(frozen=True)
class Video:
    """F frames [H, W, 3] RGB uint8; for each, the `boxes` [n, 4] (left, top, right, bottom; pixels) of the people who
    are seen in it, with a detector's error of a few pixels, and their `identities` [n]."""

    frames: list[np.ndarray]
    boxes: list[np.ndarray]
    identities: list[np.ndarray]


@dataclass(frozen=True)
class Walker:
    """A person on the way from a side to behind the pillar, and after a pause, on to a side: `way` [F] is image x."""

    way: np.ndarray
    ground: float
    person: Identity
    poses: list[dict[str, np.ndarray]]

    def at(self, frame: int, camera: Camera) -> tuple[Capsules, View]:
        number, share = divmod(frame, STRIDE)
        before, after = self.poses[number], self.poses[number + 1]
        joints = {name: before[name] + (after[name] - before[name]) * share / STRIDE for name in before}
        heading = np.sign(self.way[min(frame + 1, len(self.way) - 1)] - self.way[max(frame - 1, 0)])
        foot = (float(self.way[frame]), self.ground)
        view = View(0.2 * self.ground, foot, heading * 0.9, camera.pitch, self.ground / 50, camera.light)
        return dress(self.person, joints), view


def draw_video(people: int = 6, frames: int = 90, seed: int = 0) -> Video:
    """The same video for the same numbers, from one camera that does not move."""
    rng = np.random.default_rng([seed, people, frames])
    camera = make_camera([seed, 0])
    walkers = [_walker(number, people, frames, rng) for number in range(people)]
    scene = np.asarray(camera.place, np.float32)
    drawn = [_frame(frame, walkers, scene, camera, rng) for frame in range(frames)]
    return Video(*(list(values) for values in zip(*drawn, strict=True)))


def _walker(number: int, people: int, frames: int, rng: np.random.Generator) -> Walker:
    """Every other person comes from the left; who has been behind the pillar goes on, or back, after a pause."""
    person = draw_identity(rng)
    side, onward = (-1, 1)[number % 2], rng.choice([-1, 1])
    start, end = MIDDLE + side * rng.uniform(0.6, 0.95) * MIDDLE, MIDDLE + onward * 0.95 * MIDDLE
    arrives = int(frames * rng.uniform(0.25, 0.6))
    leaves = arrives + int(frames * rng.uniform(0.1, 0.25))
    way = np.interp(np.arange(frames), [0, arrives, leaves, frames - 1], [start, MIDDLE, MIDDLE, end])
    ground = SUPERSAMPLED_SCENE[1] * (0.78 + 0.2 * number / people)
    return Walker(way, ground, person, [draw_pose(person, rng) for _ in range(frames // STRIDE + 2)])


def _frame(frame: int, walkers: list[Walker], scene: np.ndarray, camera: Camera, rng: np.random.Generator) -> tuple:
    """Pixels, boxes and identities of one frame."""
    canvas = Canvas(scene)
    alone = []
    for owner, walker in enumerate(walkers, start=1):
        capsules, view = walker.at(frame, camera)
        canvas.draw_person(capsules, view, owner)
        alone.append(_silhouette(capsules, view, scene))
    columns = np.abs(np.arange(scene.shape[1]) - MIDDLE) < HALF_PILLAR
    canvas.draw_object(np.broadcast_to(columns, scene.shape[:2]), np.full_like(scene, 90))
    shares = [(canvas.owner == owner).sum() / max(mask.sum(), 1) for owner, mask in enumerate(alone, start=1)]
    seen = [number for number, share in enumerate(shares) if share >= DETECTED]
    boxes = np.array([_box(canvas.owner == number + 1) for number in seen], np.float32).reshape(-1, 4)
    boxes = (boxes + rng.normal(0, 1.5, boxes.shape)).astype(np.float32)
    return np.array(camera.expose(canvas.colour, rng)), boxes, np.array(seen, int)


def _silhouette(capsules: Capsules, view: View, scene: np.ndarray) -> np.ndarray:
    canvas = Canvas(np.zeros_like(scene))
    canvas.draw_person(capsules, view, 1)
    return canvas.owner == 1


def _box(mask: np.ndarray) -> list[int]:
    """Left, top, right and bottom of the pixels of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def write_mot(video: Video, folder: Path) -> None:
    """The video in MOTChallenge's layout: `img1`, `gt/gt.txt`, the same boxes as `det/det.txt`, and `seqinfo.ini`."""
    for name in ("img1", "gt", "det"):
        (folder / name).mkdir(parents=True)
    truth, found = [], []
    for number, (frame, boxes) in enumerate(zip(video.frames, video.boxes, strict=True), start=1):
        Image.fromarray(frame).save(folder / f"img1/{number:06d}.jpg", quality=95)
        for identity, (left, top, right, bottom) in zip(video.identities[number - 1], boxes.tolist(), strict=True):
            box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
            truth.append(f"{number},{identity + 1},{box},1,1,1\n")
            found.append(f"{number},-1,{box},0.9,-1,-1,-1\n")
    (folder / "gt/gt.txt").write_text("".join(truth))
    (folder / "det/det.txt").write_text("".join(found))
    height, width = video.frames[0].shape[:2]
    size = f"seqLength={len(video.frames)}\nimWidth={width}\nimHeight={height}\n"
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nframeRate=15\n{size}")
