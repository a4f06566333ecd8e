"""Trackers on rendered videos: whose track is whose."""

from collections.abc import Callable, Iterable
from contextlib import chdir
from pathlib import Path

import numpy as np

from tests.conftest import PROJECT
from tests.packs import write
from tests.pages import blocks_of, run_reid
from tests.video import Video

DEMO = PROJECT / "results/synthetic/small/pack"  # of make demo
Update = Callable[[np.ndarray, np.ndarray], Iterable[tuple[int, int]]]  # boxes, BGR frame -> (track, box) pairs


def tracked(video: Video, update: Update) -> list[dict[int, int]]:
    """For each frame, the track of each person."""
    frames = zip(video.frames, video.boxes, video.identities, strict=True)
    return [
        {int(people[box]): int(track) for track, box in update(boxes, np.ascontiguousarray(frame[:, :, ::-1]))}
        for frame, boxes, people in frames
    ]


def switches(tracks: list[dict[int, int]]) -> int:
    """How often a person's track is another than the last one that the person had."""
    last, count = {}, 0
    for people in tracks:
        count += sum(last.get(person, track) != track for person, track in people.items())
        last |= people
    return count


def demo_pack(folder: Path, config) -> Path:
    """The demo's pack if it was made, which finds people; else one of random weights, in `folder`."""
    return DEMO if DEMO.exists() else write(folder, config)


def exported(pack: Path, folder: Path, tests: str) -> Path:
    """The folder in which the lines of the pages that `tests` runs have exported the pack."""
    (folder / "results/synthetic/small").mkdir(parents=True)
    (folder / "results/synthetic/small/pack").symlink_to(pack)
    with chdir(folder):
        assert {run_reid(line) for block in blocks_of(tests, "bash") for line in block.lines} == {"export"}
    return folder
