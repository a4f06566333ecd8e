"""Released label files: found under each naming, read where they lie, and the same again after a round trip."""

from pathlib import Path

import numpy as np
import pytest

from parsing.conversion.label_files import UnusableLabels, label_file
from parsing.grids import grid_of, reading_weights
from parsing.labels.label_maps import MaskMaker
from parsing.pifpaf import network as pifpaf
from parsing.store import FieldFile
from tests.converting import convert, write_array, write_images
from tests.labelling import GRID, SIZE, field_row, write_field_rows
from tests.unit.parsing.labels.test_label_maps import SCHEME

# Where the released labels of an image lie below masks/pifpaf_maskrcnn_filtering or masks/pifpaf.
NAMINGS = {  # template, image, file
    "market": ("{folder}/{stem}.npy", "bounding_box_train/0002_c1s1.jpg", "bounding_box_train/0002_c1s1.npy"),
    "occluded_duke": (
        "{folder}/{name}.confidence_fields.npy",
        "query/01_c2.jpg",
        "query/01_c2.jpg.confidence_fields.npy",
    ),
    "own": ("{folder}/{name}.npy", "query/01_c2.jpg", "query/01_c2.jpg.npy"),  # their script for one's own images
    "occluded_reid": ("{folder_above}/{stem}.npy", "whole_body/002/002_02.tif", "whole_body/002_02.npy"),
    "p_duke": ("{folder_above}/{stem}.npy", "train/occluded/0003/0003_c1.jpg", "train/occluded/0003_c1.npy"),
    "flat": ("{stem}.npy", "0003_c1.jpg", "0003_c1.npy"),
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_the_file_of_an_image_is_found(tmp_path, naming):
    template, key, expected = NAMINGS[naming]
    with pytest.raises(UnusableLabels, match="no label file"):
        label_file(tmp_path, template, key)
    write_array(tmp_path / expected, np.zeros(1))
    assert label_file(tmp_path, template, key) == tmp_path / expected


@pytest.mark.parametrize("naming", NAMINGS)
def test_maps_come_back_as_they_were_exported(tmp_path, naming):
    template, key, file = NAMINGS[naming]
    write_images(tmp_path, [key])
    before = field_row(key, seed=5)
    write_array(tmp_path / "labels" / file, before["confidences"].astype(np.float32) / 255)
    assert convert(tmp_path, kind="confidence_npy", file=template) == 0
    after = FieldFile(tmp_path / "fields.h5")
    np.testing.assert_array_equal(after.confidences(key), before["confidences"])
    assert (after.keys, after.stride, after.input_size, after.grid) == ([key], 8, SIZE, GRID)
    assert (after.status(key), after.problem(key), after.size(key)) == ("ok", "", SIZE[::-1])
    assert not after.skeletons(key).any()


def test_a_whole_fields_file_makes_the_round_trip(tmp_path):
    keys = [f"query/{number:04d}.png" for number in range(6)]
    write_images(tmp_path, keys)
    rows = [field_row(key, seed=number) for number, key in enumerate(keys)]
    write_field_rows(tmp_path / "ours.h5", rows)
    ours = FieldFile(tmp_path / "ours.h5")
    for key in keys:
        write_array(tmp_path / f"labels/{key}.confidence_fields.npy", ours.confidences(key).astype(np.float32) / 255)
    assert convert(tmp_path, kind="confidence_npy", file="{folder}/{name}.confidence_fields.npy") == 0
    theirs = FieldFile(tmp_path / "fields.h5")
    maker = MaskMaker(SCHEME, SIZE, 8, GRID, 0.5)
    for key in keys:
        np.testing.assert_array_equal(theirs.confidences(key), ours.confidences(key))
        plain, gated = (maker.confidences(theirs.confidences(key), gate) for gate in (None, theirs.skeletons(key)))
        np.testing.assert_array_equal(plain, gated)  # no skeleton, so nothing to gate by


@pytest.mark.parametrize("size", [(64, 32), (256, 128), (200, 90), (17, 16)])
@pytest.mark.parametrize("stride", [4, 8])
def test_the_grid_is_the_network_s(size, stride):
    assert grid_of(size, stride) == pifpaf.map_grid(size, stride)


def ramps(places_y: np.ndarray, places_x: np.ndarray) -> np.ndarray:
    """A map that holds 0.1 + y / 1000 + x / 500 at the given pixels: bilinear reading loses nothing of it."""
    return (0.1 + places_y[:, None] / 1000 + places_x / 500).astype(np.float32)


def as_pifpaf(length: int, cells: int) -> np.ndarray:
    return 8 * np.arange(cells) - (-(length - 1) % 16) // 2  # pixels; padded in the middle to 16 k + 1


def corner_to_corner(length: int, cells: int) -> np.ndarray:
    return np.linspace(0, length - 1, cells)


@pytest.mark.parametrize(
    ("image", "grid", "places"),
    [
        ((128, 64), (17, 9), as_pifpaf),
        ((100, 43), (15, 7), as_pifpaf),
        ((240, 120), (31, 17), as_pifpaf),
        ((100, 43), (17, 9), corner_to_corner),
        ((60, 25), (9, 4), corner_to_corner),
        ((300, 100), (2, 2), corner_to_corner),
    ],
)
def test_maps_are_read_where_they_lie_in_the_image(image, grid, places):
    theirs = ramps(*map(places, image, grid))
    rows, columns = reading_weights(image, grid, (256, 128))
    own_y, own_x = (
        (8 * np.arange(cells) + 0.5) * length / size - 0.5  # 256 x 128 is padded at its far edges only
        for cells, length, size in zip((33, 17), image, (256, 128), strict=True)
    )
    inside = np.ix_(*((own >= 0) & (own <= length - 1) for own, length in zip((own_y, own_x), image, strict=True)))
    read = rows @ theirs @ columns.T
    np.testing.assert_allclose(read[inside], ramps(own_y, own_x)[inside], atol=1e-5)
    assert read.min() >= theirs.min() - 1e-6  # in the padding the nearest value
    assert read.max() <= theirs.max() + 1e-6


def test_small_overshoots_of_cubic_resizing_are_clipped(tmp_path):
    write_images(tmp_path, ["a.png"])
    maps = np.zeros((36, *GRID), np.float32)
    maps[0, 0], maps[1, 0] = -0.04, 1.06
    write_array(tmp_path / "labels/a.npy", maps)
    assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 0
    found = FieldFile(tmp_path / "fields.h5").confidences("a.png")
    assert (found[0].max(), found[1].max()) == (0, 255)


def test_half_precision_and_empty_maps(tmp_path):
    write_images(tmp_path, ["a.png", "b.png"])
    write_array(tmp_path / "labels/a.npy", np.full((36, *GRID), 0.5, np.float16))
    write_array(tmp_path / "labels/b.npy", np.zeros((36, *GRID)))
    assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 0
    file = FieldFile(tmp_path / "fields.h5")
    assert set(file.confidences("a.png").flat) == {128}
    assert [file.status(key) for key in file.keys] == ["ok", "nobody"]


def test_the_order_of_the_manifest_changes_no_row(tmp_path):
    write_images(tmp_path, ["a.png", "b.png"])
    for name in "ab":
        write_array(tmp_path / f"labels/{name}.npy", np.full((36, *GRID), ord(name) / 255, np.float32))
    written = []
    for lines in (1, -1):
        header, *rows = Path(tmp_path / "manifest.csv").read_text().splitlines()
        (tmp_path / "manifest.csv").write_text("\n".join([header, *rows[::lines]]))
        assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 0
        written.append([FieldFile(tmp_path / "fields.h5").confidences(key).tobytes() for key in ("a.png", "b.png")])
    assert written[0] == written[1]
