"""P x K sampling: what every batch, every epoch and every seed must keep."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artefacts.errors import UserError
from reid.data.sampler import EpochBatches, IdentitySampler

datasets = st.lists(st.integers(1, 9), min_size=3, max_size=12).map(
    lambda counts: [number * 7 for number, count in enumerate(counts) for _ in range(count)]
)  # identity of each image; 1 to 9 images of each of 3 to 12 identities


@given(datasets, st.integers(2, 3), st.integers(2, 4), st.integers(0, 2**31), st.integers(0, 500))
def test_batches_hold_p_identities_with_k_images_each(identities, p, k, seed, epoch):
    sampler = IdentitySampler(identities, p, k, seed)
    batches = sampler.batches(epoch)
    assert batches
    for batch in batches:
        shown = Counter(identities[image] for image in batch)
        assert len(shown) == p
        assert set(shown.values()) == {k}


@given(datasets, st.integers(0, 2**31), st.integers(0, 500))
def test_an_epoch_depends_on_seed_and_epoch_alone(identities, seed, epoch):
    fresh, used = IdentitySampler(identities, 3, 2, seed), IdentitySampler(identities, 3, 2, seed)
    for earlier in range(3):
        used.batches(earlier)
    assert fresh.batches(epoch) == used.batches(epoch)


@given(datasets, st.integers(0, 500))
def test_images_are_repeated_only_where_an_identity_has_fewer_than_k(identities, epoch):
    k, count = 4, Counter(identities)
    shown = Counter(image for batch in IdentitySampler(identities, 3, k, 1).batches(epoch) for image in batch)
    for image, times in shown.items():
        least, rest = divmod(k, count[identities[image]])
        assert times <= max(1, least + bool(rest))


@given(datasets, st.integers(0, 500))
def test_drawing_stops_only_when_fewer_than_p_identities_are_left(identities, epoch):
    p, k = 3, 2
    shown = Counter(
        identities[image] for batch in IdentitySampler(identities, p, k, 1).batches(epoch) for image in batch
    )
    left = [one for one, count in Counter(identities).items() if max(count // k, 1) * k > shown[one]]
    assert len(left) < p


def test_epochs_and_seeds_differ():
    identities = [number // 6 for number in range(60)]
    epochs = [str(IdentitySampler(identities, 4, 2, seed).batches(epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(epochs)) == 9


def test_every_image_comes_up_over_the_epochs():
    identities = [number // 5 for number in range(50)]
    sampler = IdentitySampler(identities, 4, 4, 0)
    assert {image for epoch in range(20) for batch in sampler.batches(epoch) for image in batch} == set(range(50))


def test_addresses_carry_epoch_and_position():
    batches = EpochBatches(IdentitySampler([0, 0, 1, 1, 2, 2, 3, 3], 2, 2, 0))
    batches.epoch = 5
    addresses = [address for batch in batches for address in batch]
    assert [address[:2] for address in addresses] == [(5, position) for position in range(8)]
    assert [address[2] for address in addresses] == [image for batch in batches.sampler.batches(5) for image in batch]
    assert len(batches) == 2


def test_too_few_identities_are_named_with_their_key():
    with pytest.raises(UserError, match=r"show 2 identities but a batch needs 3 .*models\.X\.training\.ids_per_batch"):
        IdentitySampler([1, 1, 2, 2], 3, 2, 0)
