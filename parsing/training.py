"""Training a PifPaf network on a dataset with known keypoints, with openpifpaf's own encoders and losses."""

import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from artefacts.progress import bar
from parsing import pifpaf
from parsing.config import PifPafTraining


class KeypointDataset(Dataset):
    """Images with their encoded fields: ([3, H, W] normalised and padded, [CIF target, CAF target])."""

    def __init__(self, folder: Path, truth: Path, encoder: pifpaf.Encoder) -> None:
        with h5py.File(truth) as file:
            self.keys = [key.decode() for key in file["key"][:]]
            self.keypoints = file["keypoints"][:]
        self.folder, self.encoder = folder, encoder

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[Tensor, list[Tensor]]:
        with Image.open(self.folder / self.keys[index]) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        prepared = pifpaf.prepare(pixels[None])[0]
        keypoints = self.keypoints[index].copy()
        keypoints[..., :2] += pifpaf.padding_offset(tuple(pixels.shape[-2:]))
        return prepared, self.encoder(prepared, keypoints)


def learning_rate(step: int, config: PifPafTraining) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def train(
    network: nn.Module, data: KeypointDataset, config: PifPafTraining, workers: int, log: Callable[[dict], None]
) -> nn.Module:
    """Train `network` for `config.steps` and return its exponential moving average, in eval mode."""
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True)
    network.train().to(memory_format=torch.channels_last)
    loss_of = pifpaf.make_loss(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed)
    sampler = RandomSampler(data, num_samples=config.steps * config.batch_size, generator=generator)
    loader = DataLoader(data, config.batch_size, sampler=sampler, num_workers=workers, generator=generator)
    with bar(config.steps, "training PifPaf", "step") as progress:
        for step, (images, targets) in enumerate(loader):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, config)
            loss, parts = loss_of(network(images.to(memory_format=torch.channels_last)), targets)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
            optimiser.step()
            averaged.update_parameters(network)
            if step % 50 == 49 or step + 1 == config.steps:
                log({"step": step + 1, "loss": float(loss), **dict(zip(loss_of.field_names, map(float, parts)))})
            progress.set_postfix(loss=f"{float(loss):.1f}", refresh=False)
            progress.update()
    return averaged.module.eval()
