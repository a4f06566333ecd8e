"""How strong a trained network's attention on a part is where the labels of training images show it.

The quantiles are kept with the weights: a matching may take one as the part's threshold of visibility, since parts
differ in how strong their attention gets (`matchings.*.visibility.quantile`).
"""

from pathlib import Path

import numpy as np
import torch

from artefacts.manifest import ImageRow
from reid.config.report import PartAttention
from reid.config.training import Model
from reid.data.combination import Labels
from reid.data.loading import embedding_loader, readable
from reid.data.samples import normalised, to_float
from reid.data.transfer import on_device
from reid.model.bpbreid import BPBReID

IMAGES, BATCH = 1024, 64  # a hundredth is ten images then
SHARES = np.linspace(0, 1, 101)
DIGITS = 5


@torch.inference_mode()
def part_attention(
    network: BPBReID, settings: Model, root: Path, rows: list[ImageRow], labels: Labels, device: torch.device
) -> PartAttention:
    """Quantiles of the largest attention of each part over the images that show it, of at most IMAGES evenly chosen.

    The images are as a query is: whole, without augmentation.
    """
    network = network.eval().to(device, memory_format=torch.channels_last)
    rows = readable(rows)
    chosen = [rows[number] for number in np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).round().astype(int)]
    attended = labels if settings.head.attention == "labels" else None
    scores, shown = [], []
    loader = embedding_loader(root, chosen, settings.size, BATCH, 0, attended)
    for batch in on_device(loader, device, ("images", "confidences")):
        attention = network(normalised(batch.images), to_float(batch.confidences)).attention
        scores.append(attention[:, 1:].amax(dim=(2, 3)).float())
        shown += [np.isin(np.arange(1, len(labels.part_names) + 1), labels.label_map(key)) for key in batch.keys]
    known = zip(labels.part_names, torch.cat(scores).cpu().numpy().T, np.array(shown).T, strict=True)
    return {part: _quantiles(values[where]) for part, values, where in known}


def _quantiles(values: np.ndarray) -> list[float] | None:
    return np.quantile(values, SHARES).clip(0, 1).round(DIGITS).tolist() if len(values) else None
