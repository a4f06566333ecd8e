"""P x K sampling: batches of P identities with K images each, as the hardest-pair triplet loss needs them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from artefacts.errors import UserError

Address = tuple[int, int, int]  # epoch, position in it, image: all that a sample's random numbers depend on


class IdentitySampler:
    """The batches of every epoch, each a pure function of (seed, epoch).

    An epoch shuffles each identity's images and cuts them into groups of K; an identity with fewer than K images
    repeats them, and a last group of fewer than K waits for another epoch. Batches of P different identities are
    then drawn until fewer than P have a group left. So an epoch shows an image once, or a few times if its identity
    has few, and the number of batches may differ a little between epochs.
    """

    def __init__(self, identities: Sequence[int], batch_identities: int, batch_images: int, seed: int) -> None:
        """`identities` [N] of the images; P = `batch_identities`, K = `batch_images`. UserError if P are not there."""
        numbers = np.asarray(identities)
        self.images_of = [np.flatnonzero(numbers == identity) for identity in np.unique(numbers)]
        self.batch_identities, self.batch_images, self.seed = batch_identities, batch_images, seed
        if len(self.images_of) < batch_identities:
            raise UserError(
                f"training images show {len(self.images_of)} identities but a batch needs {batch_identities} different "
                "ones; lower `training.ids_per_batch` of this model in config.yaml (models.X.training.ids_per_batch)"
            )

    def batches(self, epoch: int) -> list[list[int]]:
        """Image indices of each batch, [B][P * K], the K images of an identity side by side."""
        rng = np.random.default_rng([self.seed, epoch])
        groups = [self._grouped(images, rng) for images in self.images_of]
        left = list(range(len(groups)))
        batches = []
        while len(left) >= self.batch_identities:
            chosen = rng.choice(left, self.batch_identities, replace=False)
            batches.append([image for identity in chosen for image in groups[identity].pop()])
            left = [identity for identity in left if groups[identity]]
        return batches

    def _grouped(self, images: np.ndarray, rng: np.random.Generator) -> list[list[int]]:
        size = self.batch_images
        repeated = np.resize(rng.permutation(images), max(len(images), size))
        return [repeated[start : start + size].tolist() for start in range(0, len(repeated) - size + 1, size)]


class EvenSampler(IdentitySampler):
    """Batches to which several datasets give as many identities each, whatever their sizes.

    Where P is no multiple of the number of datasets, batches take turns with the rest. An epoch is as long as by size:
    a small dataset comes up several times, grouped anew each time, and a large one in part.
    """

    def __init__(
        self, identities: Sequence[int], dataset_of: Mapping[int, str], batch_identities: int, batch_images: int,
        seed: int,
    ) -> None:  # fmt: skip
        """`dataset_of` each identity. UserError if one of the datasets has fewer than its share of P."""
        super().__init__(identities, batch_identities, batch_images, seed)
        names = [dataset_of[identity] for identity in np.unique(identities).tolist()]
        self.members = {name: np.flatnonzero(np.array(names) == name).tolist() for name in dict.fromkeys(names)}
        share = -(-batch_identities // len(self.members))
        for name, members in self.members.items():
            if len(members) < share:
                raise UserError(
                    f"training images of {name} show {len(members)} identities but a batch takes {share} of each "
                    "dataset; lower training.ids_per_batch of this model, or set datasets.*.sampling to size"
                )

    def batches(self, epoch: int) -> list[list[int]]:
        """Image indices of each batch, [B][P * K], the K images of an identity side by side."""
        rng = np.random.default_rng([self.seed, epoch])
        order, left = rng.permutation(list(self.members)).tolist(), {name: {} for name in self.members}
        batches = []
        for number in range(self._length()):
            groups = [
                group
                for name, count in self._shares(order, number).items()
                for group in self._dealt(name, count, left[name], rng)
            ]
            batches.append([image for place in rng.permutation(len(groups)) for image in groups[place]])
        return batches

    def _length(self) -> int:
        """Batches that the images make."""
        return sum(max(1, len(images) // self.batch_images) for images in self.images_of) // self.batch_identities

    def _shares(self, order: list[str], number: int) -> dict[str, int]:
        """How many identities of each dataset a batch shows."""
        share, rest = divmod(self.batch_identities, len(order))
        first = number * rest
        more = {order[place % len(order)] for place in range(first, first + rest)}
        return {name: share + (name in more) for name in order}

    def _dealt(
        self, name: str, count: int, left: dict[int, list[list[int]]], rng: np.random.Generator
    ) -> Iterator[list[int]]:
        """Groups of `count` identities of a dataset that have one `left`; with fewer of them, it is grouped anew."""
        if len(left) < count:
            left.update({one: self._grouped(self.images_of[one], rng) for one in self.members[name]})
        for one in rng.choice(sorted(left), count, replace=False).tolist():
            yield left[one].pop()
            if not left[one]:
                del left[one]


class EpochBatches:
    """The batch sampler of a loader whose workers outlive an epoch: what it yields is set from outside.

    That is `epoch` without its `first` batches. With `processes`, each batch is the share of number `process`.
    """

    def __init__(self, sampler: IdentitySampler, process: int = 0, processes: int = 1) -> None:
        self.sampler, self.epoch, self.first = sampler, 0, 0
        length = sampler.batch_identities * sampler.batch_images // processes
        self._share = slice(process * length, (process + 1) * length)

    def __iter__(self) -> Iterator[list[Address]]:
        size = self.sampler.batch_identities * self.sampler.batch_images
        for number, batch in enumerate(self.sampler.batches(self.epoch)):
            if number >= self.first:
                yield [(self.epoch, number * size + slot, image) for slot, image in enumerate(batch)][self._share]

    def __len__(self) -> int:
        return len(self.sampler.batches(self.epoch)) - self.first
