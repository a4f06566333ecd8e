"""Tensors of worker processes arrive as they were sent, in memory that is used again and written only once."""

import multiprocessing

import numpy as np
import pytest
import torch

from artefacts import shared_memory
from artefacts.shared_memory import SMALL, Borrower, Lender, Lent, Piped, zeros
from artefacts.workers import AHEAD, Workers

SHAPE = (2, 200, 300, 3)


def results(function, tasks) -> list:
    with Workers(1, lambda: function, "loads images", 300) as workers:
        return list(workers.map(tasks))


def channels_last(number: int) -> torch.Tensor:
    return torch.full((2, 200, 100, 3), number, dtype=torch.uint8).permute(0, 3, 1, 2)


def written_in_place(number: int) -> torch.Tensor:
    images = zeros((2, 200, 100, 3))
    images += np.uint8(number)
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.mark.parametrize("made", [channels_last, written_in_place])
def test_memory_is_used_again_once_nothing_refers_to_it(made, monkeypatch):
    count = multiprocessing.Value("i", 0)
    share = torch.Tensor.share_memory_

    def counted(tensor):
        with count:
            count.value += 1
        return share(tensor)

    monkeypatch.setattr(torch.Tensor, "share_memory_", counted)
    with Workers(1, lambda: made, "loads images", 300) as workers:
        for number, images in enumerate(workers.map(range(30))):
            assert images.eq(number).all()
            assert images.is_contiguous(memory_format=torch.channels_last)
        used = count.value
        assert used <= 2 + AHEAD
        held = [images[0, 0] for images in workers.map(range(20))]
        assert [int(row.unique()) for row in held] == list(range(20))
    assert count.value >= 20


@pytest.mark.parametrize("tensor", [torch.arange(9e4).expand(2, -1), torch.arange(9e4)[::2], torch.zeros(0)])
def test_views_travel_as_what_they_show(tensor):
    (found,) = results(lambda _: tensor, [0])
    assert torch.equal(found, tensor)


def views_of(whole: torch.Tensor) -> list[torch.Tensor]:
    return [
        whole,
        whole,
        whole[1],
        whole[:1],
        whole.expand(2, *SHAPE),
        whole[..., ::2],
        whole.flatten().view(torch.int),
    ]


def filled(images: np.ndarray, number: int) -> torch.Tensor:
    images[1] = number
    return torch.from_numpy(images)


def test_views_of_an_array_travel_as_what_they_show():
    for number, found in enumerate(results(lambda number: views_of(filled(zeros(SHAPE), number)), range(5))):
        assert all(map(torch.equal, found, views_of(filled(np.zeros(SHAPE, np.uint8), number))))


def test_an_array_that_is_returned_is_not_copied():
    lender = Lender()
    array = lender.zeros(SHAPE)
    sent = lender.lend(torch.from_numpy(array).permute(0, 3, 1, 2))
    assert isinstance(sent, Lent)
    assert sent.bytes.data_ptr() == array.ctypes.data
    array[0, 5, 7] = 1, 2, 3
    assert Borrower().tensor(sent)[0, :, 5, 7].tolist() == [1, 2, 3]


def test_an_array_is_zero_whatever_its_memory_held():
    lender, borrower = Lender(), Borrower()
    for _ in range(2):
        array = lender.zeros(SHAPE)
        assert not array.any()
        array += 1
        borrower.tensor(lender.lend(torch.from_numpy(array)))
    assert len(lender._memories) == 1


def test_a_memory_is_sent_once():
    lender, borrower = Lender(), Borrower()
    for number in range(3):
        sent = lender.lend(torch.full(SHAPE, number))
        assert (sent.bytes is None) == (number > 0)
        assert borrower.tensor(sent).eq(number).all()


def test_an_array_that_is_not_returned_leaves_its_memory_free():
    lender = Lender()
    for _ in range(3):
        lender.zeros(SHAPE)
        lender.end_task()
    lender.zeros(SHAPE)
    lender.zeros(SHAPE)  # in the same task
    assert len(lender._memories) == 2


def test_other_sizes_use_the_smallest_memory_that_holds_them():
    lender, borrower = Lender(), Borrower()
    large, small = (lender.lend(torch.zeros(size, dtype=torch.uint8)) for size in (8 * SMALL, 2 * SMALL))
    names = large.name, small.name
    assert borrower.tensor(large).sum() == borrower.tensor(small).sum() == 0  # and both are free again
    small = lender.lend(torch.ones(SMALL + 1, dtype=torch.uint8))
    large = lender.lend(torch.ones(3 * SMALL, dtype=torch.uint8))
    assert (large.name, small.name) == names
    assert [borrower.tensor(sent).sum() for sent in (large, small)] == [3 * SMALL, SMALL + 1]


def test_without_room_an_array_is_its_own_and_is_piped(monkeypatch):
    def full(_):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    lender = Lender()
    sent = lender.lend(torch.from_numpy(lender.zeros(SHAPE)))
    assert isinstance(sent, Piped)
    assert sent.large
    assert sent.array.shape == SHAPE


def test_outside_a_worker_an_array_is_one_of_numpy():
    assert shared_memory._lender is None
    assert zeros(SHAPE).flags.owndata
