"""The released code's parts of holistic datasets, spelled by the joints that they stand for."""

from parsing.schemes import CONNECTIONS, part_scheme

JOINTS = (
    "nose eye eye ear ear shoulder shoulder elbow elbow wrist wrist hip hip knee knee ankle ankle".split()
)  # COCO's keypoints, left before right
MAPS = [*JOINTS, *("-".join(sorted({JOINTS[first], JOINTS[second]})) for first, second in CONNECTIONS)]
BANDS = {
    "head": "nose eye ear eye eye-nose ear-eye ear-shoulder",
    "upper": "shoulder elbow shoulder elbow-shoulder",
    "lower": "wrist hip hip-shoulder elbow-wrist",
    "legs": "hip knee hip-knee ankle-knee",
    "feet": "ankle",
}


def test_five_v_is_bands_of_the_body(config):
    scheme = part_scheme(config.schemes["five_v"])
    found = {
        name: {MAPS[channel] for channel in own} for name, own in zip(scheme.part_names, scheme.channels, strict=True)
    }
    assert found == {name: set(maps.split()) for name, maps in BANDS.items()}
    assert scheme.mirrored == (0, 1, 2, 3, 4, 5)


def test_both_sides_of_the_body_are_in_the_same_band_except_for_the_flanks(config):
    channels = part_scheme(config.schemes["five_v"]).channels
    pairs = {(left, left + 1) for left in range(1, 17, 2)} | {(17, 19), (18, 20), (25, 26), (27, 28), (30, 31)}
    for left, right in pairs:
        assert [left in own for own in channels] == [right in own for own in channels]
    assert not any(22 in own for own in channels)
    assert 23 in channels[2]
