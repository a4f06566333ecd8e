"""BPBReID as a module of TrackLab (1.3.24): part embeddings and their visibility for each detection."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from hydra.utils import to_absolute_path
from jaxtyping import Float, UInt8
from torch import Tensor
from tracklab.datastruct import TrackingDataset
from tracklab.pipeline import DetectionLevelModule

from reid.adapters.boxes import cropped
from reid.data.images import resized
from reid.evaluation.distance import part_to_part_distance
from reid.search.extractor import load

UNLIKE = 2.0  # the largest distance between vectors of unit length

log = logging.getLogger(__name__)


class BPBReID(DetectionLevelModule):
    """Gives each detection `embeddings` [P, D], those that the pack compares (foreground and K parts unless it says
    otherwise), and `visibility_scores` [P] bool, as TrackLab's BPBReIDStrongSORT takes them."""

    input_columns = ["bbox_ltwh"]
    output_columns = ["embeddings", "visibility_scores"]

    def __init__(
        self,
        model: str,
        batch_size: int,
        device: str | torch.device | None = None,
        tracking_dataset: TrackingDataset | None = None,
    ) -> None:
        """`model` as for `reid.load`, a folder from where TrackLab was started; nothing is trained on the dataset."""
        super().__init__(batch_size)
        folder = to_absolute_path(model)
        self.model = load(folder if Path(folder).exists() else model, device)
        provide_distances()

    def preprocess(self, image: np.ndarray, detection: pd.Series, metadata: pd.Series) -> UInt8[np.ndarray, "H W 3"]:
        """The person's crop of an RGB frame, at the network's size."""
        left, top, width, height = detection.bbox_ltwh
        return resized(cropped(image, (left, top, left + width, top + height)), self.model.size)

    def process(
        self, batch: UInt8[Tensor, "B H W 3"], detections: pd.DataFrame, metadatas: pd.DataFrame
    ) -> pd.DataFrame:
        """The output columns of the B detections, under their index."""
        seen = self.model.embed(batch.permute(0, 3, 1, 2), batch_size=self.batch_size)
        columns = {"embeddings": list(seen.features), "visibility_scores": list(seen.visibility)}
        return pd.DataFrame(columns, index=detections.index)


def provide_distances() -> None:
    """Let TrackLab's BPBReIDStrongSORT compare by Eq. 9 as it is here, where the authors' torchreid is not installed.

    It takes one function from there, and fails at the first frame without.
    """
    from bpbreid_strong_sort.sort import nn_matching

    if not hasattr(nn_matching, "compute_distance_matrix_using_bp_features"):
        log.info("BPBReIDStrongSORT: Eq. 9 of this project in place of the authors' torchreid, which is not installed")
        nn_matching.compute_distance_matrix_using_bp_features = distances


def distances(
    query: Float[Tensor, "Q P D"],
    gallery: Float[Tensor, "G P D"],
    query_visible: Tensor,
    gallery_visible: Tensor,
    use_gpu: bool = False,
) -> tuple[Float[Tensor, "Q G"]]:
    """Eq. 9 under the signature of torchreid's function, with vectors of unit length, always on the CPU.

    2, their largest distance, where nothing is visible in both: the tracker multiplies costs, by 0 as well.
    """
    sides = (side.numpy() for side in (query, gallery, query_visible, gallery_visible))
    apart = part_to_part_distance(*sides)
    return (torch.from_numpy(np.where(np.isinf(apart), UNLIKE, apart)),)
