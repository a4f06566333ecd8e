"""Trackers on rendered videos: whose track is whose."""

import re
import tomllib
from collections.abc import Callable, Iterable
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

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
    set_up, activate, *rest = (line for block in blocks_of(tests, "bash") for line in block.lines)
    assert activate == f". {new_environment(set_up)}/bin/activate"
    with chdir(folder):
        assert [run_reid(line) for line in rest] == ["export"]
    return folder


def new_environment(line: str) -> str:
    """The folder of the environment that a line of the pages makes; its tool is here, and pins fit the project."""
    told = re.fullmatch(r"python3 -m venv (\S+) && (\S+)/bin/pip install '?\.(?:\[(\w+)\])?'? -r (\S+)", line)
    assert told, line
    folder, same, extra, pins = told.groups()
    assert folder == same
    pinned = dict(re.findall(r"^(\S+)==(\S+)$", (PROJECT / pins).read_text(), re.MULTILINE))
    tool = next(iter(pinned))
    assert version(tool) == pinned[tool]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, project["dependencies"] + project["optional-dependencies"].get(extra, []))
    assert not [str(one) for one in wanted if (pinned.get(one.name) or version(one.name)) not in one.specifier]
    return folder
