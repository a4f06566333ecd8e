"""The readers of foreign files: real files to begin with, how an input becomes a file, and what may be raised."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from artefacts.errors import UserError
from artefacts.images import UnreadableImage, read_numbers, read_rgb
from artefacts.manifest import ImageRow, read_manifest, read_sources, write_manifest
from parsing.conversion.coco import KeypointReader
from parsing.conversion.confidence import ConfidenceReader
from parsing.conversion.config import ConfidenceFiles, KeypointFiles, PartFiles
from parsing.conversion.label_files import UnusableLabels
from parsing.conversion.part_images import PartReader
from parsing.integrity import FIELDS, LABELS, USER_BLOCK, VERSIONS
from parsing.labels.overrides import read_overrides
from parsing.pifpaf.checkpoints import load_network
from parsing.store import FieldFile, LabelFile, write_labels
from reid.checkpoints.store import load_model
from reid.config.dataset import Options
from reid.data.readers.layouts import msmt17, occluded_posetrack
from reid.data.readers.table import read_table
from reid.embeddings.store import reading
from tests import embeddings
from tests.converting import LIP
from tests.fuzz.foreign import in_zip, sealed_content
from tests.fuzz.networks import (
    backbones,
    configurations,
    import_released,
    models,
    pifpaf_checkpoints,
    read_backbone,
    read_configuration,
    read_state,
    released_checkpoints,
    states,
)
from tests.labelling import GRID, SIZE, field_row, noise_image, skeleton, write_field_rows

PROJECT = Path(__file__).resolve().parents[2]
KEY = "good.png"


@dataclass(frozen=True)
class Reader:
    """`seeds` are inputs to begin with, made with a folder's help; `read` reads an input, and writes into the folder.

    `documented` are the errors that it may raise; `longest` is the size of the longest input in bytes.
    """

    seeds: Callable[[Path], Iterator[bytes]]
    read: Callable[[bytes, Path], object]
    documented: tuple[type[Exception], ...] = (UserError,)
    longest: int = 2**15


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Reads an input from a file of this name."""

    def reading_file(content: bytes, folder: Path) -> object:
        (folder / name).write_bytes(content)
        return read(folder / name)

    return reading_file


# Tables of images.


def manifests(folder: Path) -> Iterator[bytes]:
    rows = [
        ImageRow("query/0001_c1.jpg", "query", 1, 1, 64, 128, "a" * 64, "0001", "c1"),
        ImageRow("gallery/0001_c2.jpg", "gallery", 1, 2, 64, 128, "b" * 64, "0001", "c2"),
        ImageRow("gallery/=1.jpg", "gallery", 0, 2, 0, 0, "", "", ""),
    ]
    write_manifest(folder / "manifest.csv", rows)
    yield (folder / "manifest.csv").read_bytes()
    yield b"key,sha256\ngood.png,00\n"


def overrides(folder: Path) -> Iterator[bytes]:
    yield b"key,x,y\ngood.png,3,4.5\nother.png,,\n"


def tables(folder: Path) -> Iterator[bytes]:
    yield b"path,identity,camera,split\na/b.jpg,7,c1,query\n'x.jpg,,c2,gallery\n"
    yield b"Path;Identity\na.jpg;7.0\n"
    yield b'path\tidentity\tother\na.jpg\t1\t"x"\n'


def parquet_tables(folder: Path) -> Iterator[bytes]:
    from pyarrow import parquet, table

    content = {"path": ["a.jpg", "b.jpg"], "identity": [1.0, None], "camera": ["x", None], "split": ["query", "train"]}
    parquet.write_table(table(content), folder / "seed.parquet")
    yield (folder / "seed.parquet").read_bytes()


def read_own(path: Path) -> object:
    return read_table(Options(file=str(path)), "own")


def msmt17_lists(folder: Path) -> Iterator[bytes]:
    yield b"0000/0000_000_01_0303morning_0008_0.jpg 0\n0001/0001_001_04_0303noon_0008_0.jpg 1\n"


def read_msmt17_list(content: bytes, folder: Path) -> object:
    for half in ("mask_train_v2", "mask_test_v2"):
        (folder / half).mkdir(exist_ok=True)
    (folder / "list_query.txt").write_bytes(content)
    return msmt17.read(folder, ["query"], Options(), "msmt17")


def posetrack_tables(folder: Path) -> Iterator[bytes]:
    crops = {"id": {"0": 5, "1": 6}, "reid_crop_path": {"0": "v/1_v_2.jpg", "1": "v/2_v_2.jpg"}}
    sampling = {"id": {"0": 5, "1": 6}, "split": {"0": "train", "1": "none"}}
    yield json.dumps([crops, sampling]).encode()


def read_posetrack(content: bytes, folder: Path) -> object:
    root = folder / "occluded_posetrack_reid"
    (root / "images/anns").mkdir(parents=True, exist_ok=True)
    try:
        crops, sampling = json.loads(content)
    except (ValueError, TypeError, RecursionError):
        crops = sampling = None
    for path, table in (("images/anns/train_reid_crops_anns.json", crops), ("train_dataset_sampling.json", sampling)):
        (root / path).write_bytes(content if table is None else json.dumps(table).encode())
    return occluded_posetrack.read(folder, ["train"], Options(), "posetrack")


# Images, and labels of other programs.


def images(folder: Path) -> Iterator[bytes]:
    picture = noise_image(0, (16, 8))
    for kind, mode in (("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"),
                       ("BMP", "RGB"), ("TIFF", "RGB"), ("TIFF", "F"), ("WEBP", "RGB"), ("GIF", "P"), ("AVIF", "RGB"),
                       ("JPEG2000", "RGB"), ("PPM", "RGB"), ("MPO", "RGB")):  # fmt: skip
        content = io.BytesIO()
        converted = picture.convert("L").convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
        converted.save(content, kind)
        yield content.getvalue()


def numbered_images(folder: Path) -> Iterator[bytes]:
    for mode in ("L", "P"):
        content = io.BytesIO()
        image = Image.fromarray(np.arange(128, dtype=np.uint8).reshape(16, 8) % 20)
        (image if mode == "L" else image.convert("P")).save(content, "PNG")
        yield content.getvalue()


def coco_files(folder: Path) -> Iterator[bytes]:
    points = (skeleton(0.5) * (*SIZE[::-1], 1)).ravel().tolist()
    person = {"image_id": KEY, "category_id": 1, "keypoints": points, "score": 0.9}
    yield json.dumps([person]).encode()
    listed = {"id": 3, "file_name": KEY, "width": SIZE[1], "height": SIZE[0]}
    flags = [value if place % 3 < 2 else 2 for place, value in enumerate(points)]
    annotation = {"image_id": 3, "keypoints": flags, "iscrowd": 0}
    yield json.dumps({"images": [listed], "annotations": [annotation]}).encode()


def read_coco(path: Path) -> object:
    config = KeypointFiles(kind="coco_json", path=str(path), size=SIZE)
    return KeypointReader(config, [KEY, "other.png"])(KEY, SIZE[::-1])


def arrays(folder: Path) -> Iterator[bytes]:
    for kind in (np.float32, np.float16):
        content = io.BytesIO()
        np.save(content, np.random.default_rng(0).random((36, *GRID)).astype(kind))
        yield content.getvalue()


def read_array(path: Path) -> object:
    config = ConfidenceFiles(kind="confidence_npy", path=str(path.parent), file="{stem}.npy", size=SIZE)
    return ConfidenceReader(config)(KEY, SIZE[::-1])


def read_parts(path: Path) -> object:
    config = PartFiles(kind="part_png", path=str(path.parent), file="{stem}.png", size=SIZE, parser="lip")
    return PartReader(config, LIP)(KEY, SIZE[::-1])


# HDF5.


def field_files(folder: Path) -> Iterator[bytes]:
    write_field_rows(folder / "fields.h5", [field_row(KEY), field_row("other.png", "unreadable", problem="no image")])
    yield sealed_content(folder / "fields.h5")


def label_files(folder: Path) -> Iterator[bytes]:
    rows = [
        {"key": key, "status": "ok", "labels": np.ones(GRID, np.uint8), "person": 0, "ambiguity": 0.1,
         "confidences": np.full((2, *GRID), 128, np.uint8)}
        for key in (KEY, "other.png")
    ]  # fmt: skip
    names = ["head", "legs"]
    write_labels(folder / "labels.h5", GRID, names, [0, 1, 2], len(rows), rows, {})
    yield sealed_content(folder / "labels.h5")


def sealed_anew(schema: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """Reads an input from a file whose seal fits it: whoever forges a file can forge that, too."""
    import hashlib

    def reading_file(content: bytes, folder: Path) -> object:
        digest = hashlib.sha256(content).hexdigest()
        seal = {"schema": schema, "version": VERSIONS[schema], "size": len(content), "sha256": digest}
        (folder / "forged.h5").write_bytes(json.dumps(seal).encode().ljust(USER_BLOCK) + content)
        return read(folder / "forged.h5")

    return reading_file


def read_fields(path: Path) -> None:
    file = FieldFile(path)
    try:
        for key in file.keys[:3]:
            file.row(key)
        file.digests()
    finally:
        file.close()


def read_labels(path: Path) -> None:
    file = LabelFile(path)
    try:
        for key in file.keys[:3]:
            file.label_map(key), file.confidences(key), file.person(key), file.ambiguity(key)
    finally:
        file.close()


def embedding_files(folder: Path) -> Iterator[bytes]:
    path = embeddings.write(folder / "seed.h5", embeddings.fabricate(1, 3), embeddings.fabricate(2, 4))
    yield path.read_bytes()


def read_embeddings(path: Path) -> None:
    with reading(path) as file:
        for split in (file.query, file.gallery):
            assert (
                len(split.identity) == len(split.camera) == len(split.visibility) == len(split.score) == len(split.key)
            )
            split.key_of(0), split.features([0, 2]), split.attention(0)


HDF5 = 2**17
READERS = {
    "manifest": Reader(manifests, in_file("manifest.csv", read_manifest)),
    "sources": Reader(manifests, in_file("sources.csv", read_sources)),
    "overrides": Reader(overrides, in_file("overrides.csv", read_overrides)),
    "own table": Reader(tables, in_file("own.csv", read_own)),
    "own parquet": Reader(parquet_tables, in_file("own.parquet", read_own)),
    "msmt17 list": Reader(msmt17_lists, read_msmt17_list),
    "posetrack tables": Reader(posetrack_tables, read_posetrack),
    "image": Reader(images, lambda content, folder: read_rgb(content), (UnreadableImage,)),
    "numbered image": Reader(numbered_images, lambda content, folder: read_numbers(content), (UnreadableImage,)),
    "coco keypoints": Reader(coco_files, in_file("coco.json", read_coco), (UserError, UnusableLabels)),
    "confidence array": Reader(arrays, in_file("good.npy", read_array), (UnusableLabels,)),
    "part image": Reader(numbered_images, in_file("good.png", read_parts), (UnusableLabels,)),
    "pifpaf fields": Reader(field_files, sealed_anew(FIELDS, read_fields), longest=HDF5),
    "part labels": Reader(label_files, sealed_anew(LABELS, read_labels), longest=HDF5),
    "embeddings": Reader(embedding_files, in_file("embeddings.h5", read_embeddings), longest=HDF5),
    "released checkpoint": Reader(
        released_checkpoints, in_zip("released.pth.tar", import_released), (UserError, ValueError)
    ),
    "released pifpaf": Reader(released_checkpoints, in_zip("net.pkl", load_network)),
    "pifpaf checkpoint": Reader(pifpaf_checkpoints, in_file("net.safetensors", load_network)),
    "model": Reader(models, in_file("model.safetensors", load_model)),
    "backbone": Reader(backbones, in_file("backbone.safetensors", read_backbone)),
    "backbone pickle": Reader(released_checkpoints, in_zip("backbone.pth", read_backbone)),
    "state": Reader(states, in_zip("state.pt", read_state)),
    "configuration": Reader(configurations, read_configuration),
}
