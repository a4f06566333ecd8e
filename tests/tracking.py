"""Trackers on rendered videos: whose track is whose."""

from collections.abc import Callable, Iterable

import numpy as np

from tests.conftest import PROJECT
from tests.video import Video

DEMO = PROJECT / "results/synthetic/small/pack"  # make demo, then reid pack synthetic small
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
