"""PifPaf's fields: prepared, decoded, and independent of what was decoded before."""

import numpy as np
import pytest
import torch

from artefacts.imagenet import IMAGENET_MEAN, IMAGENET_STD
from parsing.pifpaf import network as pifpaf
from tests.labelling import skeleton
from tests.pifpaf import ARCHITECTURE, fields_of

SIZE = (256, 128)


def standing(*places: float) -> np.ndarray:
    """People in pixels of an image of SIZE, all keypoints seen."""
    people = np.stack([skeleton(x) for x in places]) * [128, 256, 1]
    people[..., 2] = 2
    return people


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return pifpaf.build_network(ARCHITECTURE).eval()


def decoded(network: torch.nn.Module, *places: float) -> np.ndarray:
    return pifpaf.decode(network, *fields_of(standing(*places), SIZE))


def test_what_was_encoded_is_decoded(network):
    found = decoded(network, 0.5)
    assert found.shape == (1, 17, 3)
    assert (found[..., 2] > 0.3).all()
    np.testing.assert_allclose(found[0, :, :2] - pifpaf.padding_offset(SIZE), standing(0.5)[0, :, :2], atol=2)


def test_two_people_are_told_apart(network):
    found = decoded(network, 0.27, 0.73)
    assert len(found) == 2
    assert sorted(person[11, 0].round(-1) for person in found) == [40, 100]


def test_nobody_is_decoded_from_nothing(network):
    cif, caf = fields_of(standing(0.5), SIZE)
    cif[:, 1], caf[:, 1] = 0, 0
    assert pifpaf.decode(network, cif, caf).shape == (0, 17, 3)


def test_decoding_does_not_depend_on_what_was_decoded_before(network):
    """One that kept openpifpaf's decoder would differ in the last digits."""
    fields = fields_of(standing(0.43), SIZE)
    generator = torch.Generator().manual_seed(0)
    for field in fields:  # imperfect ones, in which many small numbers add up
        field[:, 1] *= 0.4 + 0.5 * torch.rand(field[:, 1].shape, generator=generator)
        field[:, 2:4] += 0.1 * torch.randn(field[:, 2:4].shape, generator=generator)
    fresh = pifpaf.decode(network, *fields)
    for _ in range(30):
        np.testing.assert_array_equal(pifpaf.decode(network, *fields), fresh)


@pytest.mark.parametrize("size", [(256, 128), (257, 129), (64, 30), (33, 17), (50, 50)])
def test_images_are_padded_in_the_middle_with_the_mean(size):
    images = torch.full((2, 3, *size), 255, dtype=torch.uint8)
    prepared = pifpaf.prepare(images)
    left, top = pifpaf.padding_offset(size)
    height, width = prepared.shape[-2:]
    assert (height % 16, width % 16) == (1, 1)
    assert (0 <= height - size[0] < 16, 0 <= width - size[1] < 16) == (True, True)
    assert abs(2 * left - (width - size[1])) <= 1
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[top : top + size[0], left : left + size[1]] = True
    white = (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(prepared[0, :, inside], white[:, None].expand(3, int(inside.sum())))
    assert prepared[0, :, ~inside].abs().max() < 0.02 if not inside.all() else True
    assert pifpaf.map_grid(size, 8) == ((height - 1) // 8 + 1, (width - 1) // 8 + 1)


def test_confidences_outside_0_to_1_are_refused():
    cif, caf = torch.zeros(1, 17, 5, 3, 3), torch.zeros(1, 19, 8, 3, 3)
    assert pifpaf.confidences(cif, caf).shape == (1, 36, 3, 3)
    caf[0, 3, 1, 2, 2] = 1.5
    with pytest.raises(pifpaf.UserError, match=r"outside \[0, 1\]"):
        pifpaf.confidences(cif, caf)
