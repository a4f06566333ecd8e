"""ONNX in integers of 8 bits: a network's convolutions, calibrated on images, and what that costs in mAP.

Measured on the demo's MobileNetV2, mAP 61.1: one scale for all channels of a layer, or scales chosen while it runs
(onnxruntime's dynamic quantisation, a quarter as fast as float32), leave 3 and 4 points; a scale for each channel loses
1.3 and moves features by 28 % of their length. Most of that is the first layers', whose few channels differ most: with
these in float it is 0.3 points and 10 %, at the same speed. Depthwise ones in float cost all that is gained in speed.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from artefacts.errors import UserError
from artefacts.extras import needed
from artefacts.manifest import ImageRow, read_manifest
from reid.checkpoints.pack_format import Pack
from reid.data.images import load_image
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import Compared
from reid.evaluation.ranking import measures, protocol, ranked
from reid.export import onnx_file
from reid.export.files import described
from reid.export.graph import Graph
from reid.export.program import Run, must_agree
from reid.model.bpbreid import BPBReID

if TYPE_CHECKING:
    from onnx import ModelProto

CALIBRATION_IMAGES, BATCH = 128, 16
IN_FLOAT = 5  # convolutions, the first ones
COUNTED = ("identity", "camera")


class Labelled(NamedTuple):
    """Readable images of a dataset below `root`, by the rows of its manifest."""

    root: Path
    train: list[ImageRow]
    query: list[ImageRow]
    gallery: list[ImageRow]

    @classmethod
    def of(cls, manifest: Path, root: Path) -> "Labelled":
        rows = [row for row in read_manifest(manifest) if row.readable]
        return cls(root, *([row for row in rows if row.split == split] for split in ("train", "query", "gallery")))

    @property
    def calibrating(self) -> list[ImageRow]:
        """CALIBRATION_IMAGES training images at most, evenly; gallery images where there are none."""
        rows = self.train or self.gallery
        chosen = np.linspace(0, len(rows) - 1, min(CALIBRATION_IMAGES, len(rows))).round().astype(int)
        return [rows[number] for number in chosen]


def write_int8(path: Path, network: BPBReID, pack: Pack, known: Labelled, most: float) -> tuple[float, float]:
    """Write the network (which is changed) in int8, for images of any size; mAP in float32 and in int8, in percent.

    The file has no calibration: distances differ from those that it was measured by. Raises UserError, and writes
    nothing, if mAP on the dataset's query and gallery falls by more than `most` points.
    """
    graph = Graph(network, pack.model_copy(update={"calibration": None}), "images")
    model = onnx_file.converted(graph)
    run = onnx_file.runner(model)
    must_agree(graph, run, path)
    small = quantised(model, batches(known.root, known.calibrating, pack.preprocessing.size))
    before, after = (mean_precision(one, pack, known) for one in (run, onnx_file.runner(small)))
    if not before - after <= most:
        raise UserError(
            f"{path}: not written, mAP falls from {before:.1f} in float32 to {after:.1f} in int8, by more than {most:g}"
            "; allow more (--max-map-loss), or leave out --int8"
        )
    onnx_file.write(path, small, described(graph, "images") | {"int8": f"mAP {after:.1f}, in float32 {before:.1f}"})
    return before, after


def quantised(model: "ModelProto", images: Iterable[Tensor]) -> "ModelProto":
    """The model with its convolutions but the first ones in int8 (static, QDQ, a scale for each output channel).

    `images`: batches that it takes, by whose activations (least and largest) the scales are chosen.
    """
    tools = needed("onnxruntime.quantization", "export")
    given = ({"images": batch.numpy()} for batch in images)

    class Reader(tools.CalibrationDataReader):
        def get_next(self) -> dict | None:
            return next(given, None)

    first = [node.name for node in model.graph.node if node.op_type == "Conv"][:IN_FLOAT]
    with TemporaryDirectory() as folder, silenced_advice():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model.SerializeToString())
        tools.quantize_static(
            source, target, Reader(), op_types_to_quantize=["Conv"], nodes_to_exclude=first, per_channel=True,
            activation_type=tools.QuantType.QUInt8, weight_type=tools.QuantType.QInt8,
        )  # fmt: skip
        return needed("onnx", "export").load(target)


@contextmanager
def silenced_advice() -> Iterator[None]:
    """Without onnxruntime's advice to optimise a graph before it is quantised, which changed no number here."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def batches(root: Path, rows: Sequence[ImageRow], size: tuple[int, int]) -> Iterator[Tensor]:
    """Images [N, 3, H, W] uint8 at a network's size, BATCH at a time. Raises UserError for one that cannot be read."""
    for start in range(0, len(rows), BATCH):
        pixels = np.stack([load_image(root, row, size) for row in rows[start : start + BATCH]])
        yield torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def mean_precision(run: Run, pack: Pack, known: Labelled) -> float:
    """mAP, in percent, of a file by the pack's matching and the evaluation's protocol, without re-ranking.

    Raises UserError where no query has a positive.
    """
    sides = (known.query, known.gallery)
    query, gallery = (_embedded(run, pack, known.root, rows) for rows in sides)
    told = (np.array([getattr(row, name) for row in rows]) for name in COUNTED for rows in sides)
    pairs = protocol(*told)
    distances = PartDistances(query, gallery).matrix().astype(np.float32)
    return 100 * measures(pairs.offsets, ranked(distances, pairs).ranks).summary()["mAP"]


def _embedded(run: Run, pack: Pack, root: Path, rows: Sequence[ImageRow]) -> Compared:
    found = [run(images)[:3] for images in batches(root, rows, pack.preprocessing.size)]
    features, visible, scores = map(np.concatenate, zip(*found, strict=True))
    soft = pack.matching.visibility == "soft"
    weights = np.where(visible, scores, 0) if soft else visible
    columns = {str(place): [place] for place in range(features.shape[1])}
    return Compared(_Seen(features, rows), columns, weights.astype(np.float32), pack.matching.normalise)


class _Seen:
    """A file's features in the form in which the evaluation reads a split of `embeddings.h5`."""

    path = "these images"

    def __init__(self, features: np.ndarray, rows: Sequence[ImageRow]) -> None:
        self._features, self._rows = features, rows

    def __len__(self) -> int:
        return len(self._rows)

    def key_of(self, index: int) -> str:
        return self._rows[index].key

    def features(self, columns: list[int], start: int = 0, stop: int | None = None) -> np.ndarray:
        return np.ascontiguousarray(self._features[start:stop, columns[0]])
