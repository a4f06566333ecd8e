"""What people of a domain look like: shares counted over hundreds of them, and what each kind adds to a skeleton."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from reid.config.domain import Domain
from reid.synthetic.dataset import _surfaced
from reid.synthetic.outfits import Outfit, build, draw_outfit, proportion, wear
from reid.synthetic.people import PART, PARTS, draw_identity, draw_pose, dress
from reid.synthetic.scenes import draw_occluder
from reid.synthetic.surfaces import textured
from tests.unit.reid.synthetic.test_domain import configured, scene_of

PEOPLE = 500
GARMENTS, HATS = {"coat", "dress", "poncho"}, {"brim", "hood", "helmet"}
BAGS = {"trolley", "shopping", "rucksack", "parcel"}
SHARES = {"coats": ("garment", GARMENTS), "hats": ("hat", HATS), "bags": ("bag", BAGS), "bicycles": ("bicycle", {True})}


def outfits(**keys) -> list[Outfit]:
    return [draw_outfit(Domain(**keys), np.random.default_rng([9, number])) for number in range(PEOPLE)]


@pytest.mark.parametrize("key", SHARES)
def test_so_many_wear_push_or_carry_one_of_the_kinds_and_nothing_else_changes(key):
    name, kinds = SHARES[key]
    found = Counter(getattr(outfit, name) for outfit in outfits(**{key: 0.3}))
    worn = {kind: found[kind] / PEOPLE for kind in kinds}
    assert sum(worn.values()) == pytest.approx(0.3, abs=0.06)
    assert all(share == pytest.approx(0.3 / len(kinds), abs=0.04) for share in worn.values())
    assert found.keys() - kinds == {False if key == "bicycles" else None}
    for outfit, plain in zip(outfits(**{key: 1.0}), outfits(), strict=True):
        others = [field.name for field in fields(Outfit) if field.name not in (name, "cloth", "second")]
        assert [getattr(outfit, other) for other in others] == [getattr(plain, other) for other in others]


def test_so_many_occluders_have_a_texture():
    scene, changed = scene_of(configured(textures=0.3)), []
    for number in range(300):
        rng = np.random.default_rng([4, number])
        mask, colour = draw_occluder((16, 32), (8, 2, 30), 1.0, rng)
        shown, surface = _surfaced((mask, colour), scene, rng)
        changed.append(shown is not mask or surface is not colour)
        assert not (shown & ~mask).any()  # a fence has gaps, and no texture makes an occluder larger
    assert np.mean(changed) == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("size", [(2, 4), (20, 40), (600, 1000)])
def test_textures_fit_images_of_any_size(size):
    place, (width, height) = scene_of(configured()).cameras[0].place, size
    occluder, rng = (np.ones((height, width), bool), np.zeros((height, width, 3), np.float32)), np.random.default_rng(0)
    for _ in range(12):
        mask, colour = textured(occluder, place, rng)
        assert (mask.shape, colour.shape) == ((height, width), (height, width, 3))


@pytest.mark.parametrize("builds", [0.5, 1.0])
def test_builds_depart_by_their_key(builds):
    lengths = np.log([[one.legs, one.trunk, one.width, one.girth] for one in outfits(builds=builds)])
    np.testing.assert_allclose(lengths.std(0) / builds, [0.14, 0.14, 0.14, 0.25], rtol=0.1)
    np.testing.assert_allclose(lengths.mean(0) / builds, [0, 0, 0, 0.1], atol=0.03)
    assert np.abs(np.corrcoef(lengths.T) - np.eye(4)).max() < 0.3


@pytest.fixture
def person():
    rng = np.random.default_rng(5)
    identity = draw_identity(rng)
    return identity, draw_pose(identity, rng)


PLAIN = outfits()[0]


def test_proportions_are_those_of_the_outfit_at_the_same_height(person):
    identity, joints = person
    outfit = replace(PLAIN, legs=1.2, trunk=0.9, width=1.3, girth=1.5)
    found, hip, top = proportion(joints, outfit), joints["pelvis"][1], joints["head"][1]
    for name, (x, y, z) in joints.items():
        if name in ("head", "face") or name.endswith(("nose", "eye", "ear")):
            continue
        height = 1.2 * y if y < hip else 1.2 * hip + 0.9 * (y - hip)
        expected = 1.3 * x, height * top / (1.2 * hip + 0.9 * (top - hip)), z
        np.testing.assert_allclose(found[name], expected, err_msg=name)
    assert found["head"][1] == pytest.approx(top)
    for name in ("face", "nose", "left_eye", "right_ear"):  # a face keeps its shape
        np.testing.assert_allclose(found[name] - found["head"], joints[name] - joints["head"])
    assert build(identity, outfit).build == 1.5 * identity.build
    radii, plain = (dress(one, joints).radii for one in (build(identity, outfit), identity))
    thighs = dress(identity, joints).parts == PART["left_thigh"]
    np.testing.assert_allclose(radii[thighs], 1.5 * plain[thighs])


SHOWN_AS = {
    "coat": {"torso", "left_thigh", "right_thigh", "left_upper_arm", "right_upper_arm", "left_lower_arm",
             "right_lower_arm"},
    "dress": {"torso", "left_thigh", "right_thigh"},
    "poncho": {"torso"},
    **{hat: {"head"} for hat in HATS}, **{bag: {"background"} for bag in BAGS}, True: {"background"},
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in SHARES.values() for kind in sorted(kinds)])
def test_what_is_worn_has_the_parts_that_it_hides_and_what_is_carried_has_none(person, name, kind):
    identity, joints = person
    plain, outfit = dress(identity, joints), replace(PLAIN, **{name: kind})
    found = wear(plain, identity, outfit, joints)
    assert len(found.ends) == len(found.radii) == len(found.parts) == len(found.cloths) > len(plain.ends)
    np.testing.assert_array_equal(found.ends[: len(plain.ends)], plain.ends)
    assert {PARTS[part] for part in found.parts[len(plain.parts) :]} == SHOWN_AS[kind]


def test_a_garment_ends_at_its_hem_and_is_wider_there_by_its_flare(person):
    identity, joints = person
    plain = dress(identity, joints)
    for hem, flare in ((0.4, 0.0), (0.8, 0.15)):
        found = wear(plain, identity, replace(PLAIN, garment="dress", hem=hem, flare=flare), joints)
        new = slice(len(plain.parts), None)
        sides = np.isin(found.parts[new], [PART["left_thigh"], PART["right_thigh"]])
        ends, radii = found.ends[new][sides], found.radii[new][sides]
        np.testing.assert_allclose(ends[:, 1, 1], (1 - hem) * joints["pelvis"][1])
        size = identity.height / 1.75 * identity.build
        np.testing.assert_allclose(radii[:, 1] / size, 0.15 + flare)
        np.testing.assert_allclose(ends[:, 1, 0], [side * 0.07 * size * (1 + 4 * flare) for side in (1, -1)])
