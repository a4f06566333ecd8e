"""Training a PifPaf network on a dataset with known keypoints, with openpifpaf's own encoders and losses."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import BatchSampler, Dataset, Sampler, default_collate

from artefacts.command import termination
from artefacts.images import read_rgb
from artefacts.progress import bar
from artefacts.state import State
from artefacts.workers import Workers
from parsing.config import PifPafTraining
from parsing.ground_truth import Truth
from parsing.pifpaf import network as pifpaf

SAVE_EVERY = 200  # steps
PATIENCE = 300  # seconds that a batch may take


class KeypointDataset(Dataset):
    """Images with their encoded fields: ([3, H, W] normalised and padded, [CIF target, CAF target])."""

    def __init__(self, folder: Path, truth: Truth, size: tuple[int, int], encoder: pifpaf.Encoder) -> None:
        self.folder, self.truth, self.size, self.encoder = folder, truth, size, encoder

    def __len__(self) -> int:
        return len(self.truth.keys)

    def __getitem__(self, index: int) -> tuple[Tensor, list[Tensor]]:
        image = read_rgb(self.folder / self.truth.keys[index])
        scale = np.array(self.size[::-1]) / image.size
        pixels = np.array(image.resize(self.size[::-1], Image.Resampling.BILINEAR))
        prepared = pifpaf.prepare(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0]
        keypoints = self.truth.keypoints[index].copy()
        keypoints[..., :2] = keypoints[..., :2] * scale + pifpaf.padding_offset(self.size)
        return prepared, self.encoder(prepared, keypoints)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, list[Tensor]]:
        """The batch of these images, each tensor with a dimension for them in front."""
        return default_collate([self[index] for index in indices])


class EndlessOrder(Sampler):
    """Indices of samples `start` to `stop` of an endless shuffle: round r is a permutation drawn from (seed, r)."""

    def __init__(self, length: int, seed: int, start: int, stop: int) -> None:
        self.length, self.seed, self.start, self.stop = length, seed, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[int]:
        for rounds in range(self.start // self.length, -(-self.stop // self.length)):
            order = np.random.default_rng([self.seed, rounds]).permutation(self.length)
            before = rounds * self.length
            yield from order[max(self.start - before, 0) : self.stop - before].tolist()


def learning_rate(step: int, config: PifPafTraining) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


class PifPafTrainer:
    """A network in training: its weights, their exponential moving average, the optimiser, the steps done."""

    def __init__(self, network: nn.Module, config: PifPafTraining) -> None:
        self.config, self.done = config, 0
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.train().to(self.device, memory_format=torch.channels_last)
        decay = get_ema_multi_avg_fn(config.average_decay)
        self.averaged = AveragedModel(self.network, multi_avg_fn=decay, use_buffers=True)
        self.loss_of = pifpaf.make_loss(network)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def step(self, images: Tensor, targets: list[Tensor]) -> float:
        """One update from a batch; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.done, self.config)
        images = images.to(self.device, memory_format=torch.channels_last)
        loss, _ = self.loss_of(self.network(images), [target.to(self.device) for target in targets])
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        self.optimiser.step()
        self.averaged.update_parameters(self.network)
        self.done += 1
        return float(loss.detach())

    def state(self) -> dict:
        """All that `restore` needs to go on."""
        modules = {"network": self.network, "averaged": self.averaged, "optimiser": self.optimiser}
        return {"done": self.done, **{name: module.state_dict() for name, module in modules.items()}}

    def restore(self, state: dict) -> None:
        """Go on from what `state` gave."""
        self.done = state["done"]
        for name in ("network", "averaged", "optimiser"):
            getattr(self, name).load_state_dict(state[name])


def train(network: nn.Module, data: KeypointDataset, config: PifPafTraining, workers: int, state: State) -> nn.Module:
    """Train `network` for `config.steps`, going on from `state`, and return its moving average, in eval mode.

    What ends it early, such as a signal, does so when `state` has been saved.
    """
    trainer = PifPafTrainer(network, config)
    if kept := state.load():
        trainer.restore(kept)
    order = EndlessOrder(len(data), config.seed, trainer.done * config.batch_size, config.steps * config.batch_size)
    batches = BatchSampler(order, config.batch_size, drop_last=False)

    def keep() -> None:
        state.save(trainer.state())

    with (
        bar(config.steps, "training PifPaf", "step", trainer.done) as progress,
        termination() as stop,
        Workers(workers, lambda: data.__getitems__, "encodes targets", PATIENCE) as encoders,
    ):
        for images, targets in stop.awaited(encoders.map(batches), keep):
            progress.set_postfix(loss=f"{trainer.step(images, targets):.1f}", refresh=False)
            progress.update()
            if trainer.done % SAVE_EVERY == 0:
                keep()
    return trainer.averaged.module.cpu().eval()
