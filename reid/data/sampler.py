"""P x K sampling: batches of P identities with K images each, as the hardest-pair triplet loss needs them."""

from collections.abc import Iterator, Sequence

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
