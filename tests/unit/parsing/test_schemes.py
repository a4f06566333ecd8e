"""Part schemes: parts, channels, and what a mirror does to them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parsing.config import Scheme
from parsing.pifpaf import network as pifpaf
from parsing.schemes import CHANNEL_NAMES, CONNECTIONS, KEYPOINTS, TRUTH_CHANNELS, coarse_labels, part_scheme
from reid.synthetic.people import PARTS


def test_connections_are_those_of_the_network():
    caf = pifpaf.head_metas(2)[1]
    assert tuple((first - 1, second - 1) for first, second in caf.skeleton) == CONNECTIONS
    assert tuple(caf.keypoints) == KEYPOINTS
    assert CHANNEL_NAMES[17] == "left_ankle-left_knee"
    assert len(CHANNEL_NAMES) == 36


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("five", "head torso arms arms arms arms legs legs legs legs feet feet"),
        ("four", "head torso torso torso torso torso legs legs legs legs feet feet"),
        ("eleven", " ".join(PARTS[1:11]) + " feet feet"),
        ("eight", "head torso" + " left_arm right_arm" * 2 + " left_leg right_leg" * 2 + " left_foot right_foot"),
    ],
)
def test_fine_parts_of_the_truth_fall_into_the_parts_of_their_name(config, name, expected):
    scheme = part_scheme(config.schemes[name])
    names = ["background", *scheme.part_names]
    assert " ".join(names[label] for label in coarse_labels(PARTS, scheme)[1:]) == expected
    assert coarse_labels(PARTS, scheme)[0] == 0
    assert set(TRUTH_CHANNELS) == set(PARTS[1:])


NUMBERS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen".split()
COCO_MIRROR = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


@pytest.mark.parametrize(("parts", "name"), list(enumerate(NUMBERS, 2)))
def test_there_is_a_scheme_of_every_number_of_parts_and_the_mirror_swaps_its_maps(config, parts, name):
    scheme = part_scheme(config.schemes[name])
    assert len(scheme.part_names) == parts
    pairs = [frozenset(pair) for pair in CONNECTIONS]
    across = [17 + pairs.index(frozenset(COCO_MIRROR[end] for end in pair)) for pair in CONNECTIONS]
    swapped = [*COCO_MIRROR, *across]  # the map that each map becomes when the image is flipped
    for part, channels in enumerate(scheme.channels, 1):
        other = scheme.channels[scheme.mirrored[part] - 1]
        unpaired = {21} if name == "eight" else set()  # the released scheme gives the hips' connection to the left leg
        assert {swapped[channel] for channel in channels} - unpaired == set(other) - unpaired
    assert {channel for channels in scheme.channels for channel in channels} == set(range(36))


def test_the_mirror_of_eight_parts(config):
    scheme = part_scheme(config.schemes["eight"])
    swapped = " ".join(("background", *scheme.part_names)[label] for label in scheme.mirrored)
    assert swapped == "background head right_arm left_arm torso right_leg left_leg right_foot left_foot"


@given(st.data())
def test_a_mirror_seen_in_a_mirror_is_as_before(data):
    names = [f"part{number}" for number in range(data.draw(st.integers(1, 14)))]
    shuffled = data.draw(st.permutations(names))
    pairs = list(zip(shuffled[::2], shuffled[1::2], strict=False))[: data.draw(st.integers(0, 7))]
    entry = {"parts": {name: [number] for number, name in enumerate(names)}, "mirrored": pairs}
    mirrored = part_scheme(Scheme.model_validate_json(json.dumps(entry))).mirrored
    assert mirrored[0] == 0
    assert [mirrored[label] for label in mirrored] == list(range(len(names) + 1))
    assert sum(label != place for place, label in enumerate(mirrored)) == 2 * len(pairs)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"parts": {}}, "at least one part"),
        ({"parts": {"head": []}}, "part 'head' has no channel"),
        ({"parts": {"head": [36]}}, "less than or equal to 35"),
        ({"parts": {"head": [0]}, "mirrored": [["head", "tail"]]}, "'tail' is not one of"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused(entry, reason):
    with pytest.raises(ValidationError, match=reason):
        Scheme.model_validate_json(json.dumps(entry))
