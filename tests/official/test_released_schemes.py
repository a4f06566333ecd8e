"""The released code's part schemes, spelled by the joints that they stand for, and how its checkpoints find them."""

import re

import pytest
import torch
import yaml

from parsing.schemes import CONNECTIONS, part_scheme
from reid.__main__ import main
from reid.checkpoints.official import Released
from reid.checkpoints.official_schemes import SAME, our_scheme, part_names
from reid.checkpoints.store import load_model
from reid.config.files import CONFIGURATION
from tests.conftest import PROJECT
from tests.official.files import LEAST, SMALL, import_checkpoint, settings, small, small_parameters, write_checkpoint

JOINTS = (
    "nose eye eye ear ear shoulder shoulder elbow elbow wrist wrist hip hip knee knee ankle ankle".split()
)  # COCO's keypoints, left before right
MAPS = [*JOINTS, *("-".join(sorted([JOINTS[first], JOINTS[second]])) for first, second in CONNECTIONS)]
SIDES = [{" "}] + [{"RL"[joint % 2]} for joint in range(1, 17)]
SIDES += [SIDES[first] | SIDES[second] for first, second in CONNECTIONS]

HEAD = "nose eye ear eye-eye eye-nose ear-eye ear-shoulder"
ARM, LEG, LIMBS = "elbow wrist elbow-shoulder elbow-wrist", "knee ankle-knee hip-knee", "ankle-knee hip-knee"
UPPER, TORSO = "hip-shoulder shoulder-shoulder", "hip hip-hip hip-shoulder shoulder-shoulder"
ARMS = {"left_arm": f"L shoulder {ARM}", "right_arm": f"R shoulder {ARM}"}
LEGS = {"left_leg": f"L {LEG} hip-hip", "right_leg": f"R {LEG}"}
FEET = {"left_foot": "L ankle", "right_foot": "R ankle"}
HALVES = {"upper_torso": UPPER, "lower_torso": "hip hip-hip"}
EIGHT = {"head": HEAD, **ARMS, "torso": TORSO, **LEGS, **FEET}
FINE_ARMS = {
    f"{name}_{part}_arm": f"{side} {maps}"
    for side, name in (("L", "left"), ("R", "right"))
    for part, maps in (("upper", "shoulder elbow elbow-shoulder"), ("lower", "wrist elbow-wrist"))
}
THIGHS = {"left_leg": "L knee hip-knee hip-hip", "right_leg": "R knee hip-knee"}
RELEASED = {
    "full": {"body": " ".join(MAPS)},
    "one": {"body": " ".join(MAPS)},
    "two_v": {"upper": f"{HEAD} shoulder {ARM} {UPPER}", "legs": f"hip {LEG} ankle hip-hip"},
    "three_v": {"head": HEAD, "torso": f"shoulder {ARM} {UPPER}", "legs": f"hip {LEG} ankle hip-hip"},
    "four": {
        "head": HEAD, "arms": f"shoulder {ARM}", "torso": f"shoulder {TORSO}", "legs": f"hip {LEG} ankle hip-hip",
    },
    "four_no": {"head": HEAD, "arms": ARM, "torso": f"shoulder {TORSO}", "legs": f"{LEG} ankle hip-hip"},
    "four_v": {"head": HEAD, "torso": f"shoulder {ARM} {TORSO}", "legs": f"hip {LEG}", "feet": "ankle"},
    "four_v_pif": {
        "head": "nose eye ear", "torso": "shoulder elbow wrist hip", "legs": "hip knee", "feet": "ankle",
    },
    "five": {
        "head": HEAD, "arms": f"shoulder {ARM}", "torso": TORSO, "legs": f"hip hip-hip {LEG}", "feet": "ankle",
    },
    "five_v": {
        "head": HEAD, "upper": "shoulder elbow shoulder-shoulder elbow-shoulder",
        "lower": "wrist hip elbow-wrist Rhip-shoulder", "legs": f"hip {LEG}", "feet": "ankle",
    },
    "six": {
        "head": HEAD, **ARMS, "torso": TORSO, "left_leg": f"L {LEG} ankle hip-hip", "right_leg": f"R {LEG} ankle",
    },
    "six_v": {"head": HEAD, "arms": f"shoulder {ARM}", **HALVES, "legs": f"hip {LEG}", "feet": "ankle"},
    "six_new": {"head": HEAD, "torso": TORSO, **ARMS, "legs": f"{LEG} hip-hip", "feet": "ankle"},
    "seven_v": {
        "head": HEAD, "shoulders": "shoulder shoulder-shoulder", "elbows": "elbow", "wrists": "wrist",
        "hips": "hip hip-hip", "knees": "knee", "ankles": "ankle",
    },
    "seven_new": {"head": HEAD, **ARMS, **HALVES, "legs": f"{LEG} hip-hip", "feet": "ankle"},
    "eight": EIGHT,
    "eight_v": EIGHT,
    "ten_ms": {
        **EIGHT, "upper_body": f"{HEAD} shoulder {ARM} {TORSO}", "lower_body": f"{LEG} ankle hip-hip",
    },
    "eleven": {
        "head": HEAD, **FINE_ARMS, **HALVES, **THIGHS, "left_foot": "L ankle ankle-knee",
        "right_foot": "R ankle ankle-knee",
    },
    "fourteen": {
        "head": "nose eye ear eye-eye eye-nose ear-eye", "neck": "ear-shoulder", **FINE_ARMS, **HALVES, **THIGHS,
        "left_shin": "L ankle-knee", "right_shin": "R ankle-knee", **FEET,
    },
}  # fmt: skip # all of theirs but those with stripes, with more parts than maps, or that its code cannot build


def spelled(words: str) -> set[int]:
    """The maps of joints and connections: of the side named first, or before one (Rhip-shoulder), or of both."""
    first, *others = words.split()
    side, others = (first, others) if first in ("L", "R") else ("LR", [first, *others])
    wanted = [(word[0], word[1:]) if word[0] in "LR" else (side, word) for word in others]
    return {c for c in range(36) for where, word in wanted if word == MAPS[c] and SIDES[c] & {*where, " "}}


def of_parts(parts: int, scheme: object) -> Released:
    """A checkpoint of so many parts whose settings name a scheme; None: none."""
    weights = LEAST | {"pixel_classifier.classifier.weight": torch.zeros(parts + 1, 4, 1, 1)}
    return Released(weights, {"model": {"bpbreid": {"masks": {"preprocess": scheme}}}}, {})


@pytest.mark.parametrize("theirs", RELEASED)
def test_each_has_its_parts_in_their_order_here_and_so_has_a_checkpoint_of_it(config, theirs):
    scheme, expected = part_scheme(config.schemes[our_scheme(theirs)]), RELEASED[theirs]
    found = dict(zip(scheme.part_names, map(set, scheme.channels), strict=True))
    assert found == {name: spelled(maps) for name, maps in expected.items()}
    names = {name: list(content.parts) for name, content in config.schemes.items()}
    assert part_names(of_parts(len(expected), theirs), "any", None, names) == list(expected)
    mirror = {"left": "right", "right": "left"}
    swapped = ["_".join(mirror.get(word, word) for word in name.split("_")) for name in expected]
    assert [scheme.part_names[label - 1] for label in scheme.mirrored[1:]] == swapped


def test_the_schemes_of_the_table_are_all_that_are_called_released(config):
    assert {name for name in config.schemes if name.endswith("_released")} <= {our_scheme(name) for name in RELEASED}
    assert SAME.keys() <= RELEASED.keys()


@pytest.mark.parametrize(
    ("named", "parts", "chosen", "reason", "advised", "names"),
    [
        ("six", 6, "six", "'six' is six_released here, but models.own.scheme is six;", "six_released", "six"),
        ("nine_new", 8, None, "8 parts apart, but its part scheme 'nine_new' is not known here;", "eight", "eight"),
        ("five_v", 8, None, "8 parts apart, but its part scheme 'five_v' has 5;", "eight", "eight"),
        ("five_v", 8, "five_v", "8 parts apart, but its part scheme 'five_v' has 5;", "eight", "eight"),
        (None, 6, "five", "6 parts apart, but does not say which;", "six_released", "six"),
        ({}, 6, None, "6 parts apart, but its part scheme {} is not known here;", "six", "six_new"),
    ],
)  # fmt: skip
def test_following_the_advice_succeeds(tmp_path, capsys, config, named, parts, chosen, reason, advised, names):
    entry, file, model = small(config), tmp_path / "released.pth.tar", tmp_path / "model.safetensors"
    write_checkpoint(file, small_parameters(entry, parts), settings(SMALL, (64, 32), masks={"preprocess": named}))
    assert import_checkpoint(config, file, model, entry, chosen) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    offered = re.search(r"set (?:it|models.own.scheme) to (?:the one that it was trained with: )?([\w, ]+)", line)[1]
    assert advised in offered.strip().split(", ")
    assert import_checkpoint(config, file, model, entry, advised) == 0
    assert load_model(model).part_names == list(RELEASED[names])


@pytest.mark.slow
def test_the_scheme_of_an_entry_in_the_configuration(config, tmp_path):
    file, model, own = (tmp_path / name for name in ("released.pth.tar", "model.safetensors", "own.yaml"))
    backbone = {"name": SMALL, "weights": None, "last_stride": None}
    entry = {"extends": "resnet50_official_occluded", "size": [64, 32], "scheme": "four_released", "backbone": backbone}
    own.write_text(yaml.safe_dump({"models": {"own": entry}}))
    write_checkpoint(file, small_parameters(small(config), 4), settings(SMALL, (64, 32), masks={"preprocess": "mine"}))
    files = [*(PROJECT / name for name in CONFIGURATION), own]
    words = ["import-official", file, "--model", "own", "--output", model, "--configfile", *files]
    assert main(list(map(str, words))) == 0
    assert load_model(model).part_names == list(RELEASED["four"])
