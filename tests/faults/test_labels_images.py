"""Images of every kind are read, and those that cannot be are listed without stopping the others."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artefacts.images import UnreadableImage, read_rgb
from parsing.config import Gate
from parsing.schemes import UNKNOWN
from parsing.store import FieldFile, LabelFile
from tests.labelling import FIVE, LABELS, field_row, find, noise_image, stage, write_field_rows, write_manifest
from tests.pifpaf import write_checkpoint

KINDS = ["rgb", "grey", "grey+alpha", "rgba", "palette", "bilevel", "cmyk", "cmyk-jpeg", "16-bit", "32-bit", "float"]
KINDS += ["webp", "bmp"]
PICTURE = noise_image(1)
GREY = np.asarray(PICTURE.convert("L"))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), int)


@pytest.mark.parametrize(
    ("content", "expected", "tolerance"),
    [
        (saved(PICTURE, "PNG"), rgb(PICTURE), 0),
        (saved(PICTURE.convert("L"), "PNG"), np.stack([GREY] * 3, -1), 0),
        (saved(PICTURE.convert("LA"), "PNG"), np.stack([GREY] * 3, -1), 0),
        (saved(PICTURE.convert("RGBA"), "PNG"), rgb(PICTURE), 0),
        (saved(PICTURE.convert("P"), "PNG"), rgb(PICTURE.convert("P")), 0),
        (saved(PICTURE.convert("1"), "PNG"), rgb(PICTURE.convert("1")), 0),
        (saved(PICTURE.convert("CMYK"), "TIFF"), rgb(PICTURE.convert("CMYK")), 0),
        (saved(PICTURE.convert("CMYK"), "JPEG", quality=95), rgb(PICTURE), 30),
        (saved(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG"), np.stack([GREY] * 3, -1), 0),
        (saved(Image.fromarray(GREY.astype(np.int32) * 257), "TIFF"), np.stack([GREY] * 3, -1), 0),
        (saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"), np.stack([GREY] * 3, -1), 0),
        (saved(PICTURE, "WEBP", lossless=True), rgb(PICTURE), 0),
        (saved(PICTURE, "BMP"), rgb(PICTURE), 0),
    ],
    ids=KINDS,
)
def test_every_mode_gives_8_bit_rgb(content, expected, tolerance):
    image = read_rgb(content)
    assert (image.mode, image.size) == ("RGB", PICTURE.size)
    assert np.abs(np.asarray(image, int) - expected).mean() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that lead from upright to stored
    stored = PICTURE.transpose(undo[orientation]) if orientation > 1 else PICTURE
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_rgb(saved(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(PICTURE))


def test_what_is_transparent_shows_a_neutral_grey():
    clear = PICTURE.convert("RGBA")
    clear.putalpha(0)
    assert set(read_rgb(saved(clear, "PNG")).get_flattened_data()) == {(124, 116, 104)}


BROKEN = {
    "truncated.jpg": saved(noise_image(2, (256, 128)), "JPEG")[:-400],
    "truncated.png": saved(PICTURE, "PNG")[:-60],
    "empty.jpg": b"",
    "text.jpg": b"this is no image",
    "header.png": saved(PICTURE, "PNG")[:20],
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_images_say_so(name):
    with pytest.raises(UnreadableImage, match=r"\w"):
        read_rgb(BROKEN[name])


def test_a_bomb_is_not_unpacked():
    content = saved(PICTURE, "PNG")
    header = b"IHDR" + struct.pack(">II", 30000, 30000) + content[24:29]
    with pytest.raises(UnreadableImage, match="DecompressionBomb"):
        read_rgb(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three good images among broken ones, one that is too small, and one that goes missing after the manifest."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        noise_image(number).save(images / f"good{number}.png")
    Image.new("RGB", (4, 90)).save(images / "small.png")
    for name, content in BROKEN.items():
        (images / name).write_bytes(content)
    noise_image(9).save(images / "gone.png")
    write_manifest(images, tmp_path / "manifest.csv")
    (images / "gone.png").unlink()
    write_checkpoint(tmp_path / "net.safetensors")
    return tmp_path


def test_broken_images_are_listed_and_do_not_stop_the_others(folder, capsys):
    assert find(folder) == 0
    merged = folder / "merged.h5"
    assert stage("merge", manifest=folder / "manifest.csv", fields=folder / "fields.h5", merged=merged) == 0
    listed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not labelled: ")]
    assert len(listed) == len(BROKEN) + 2
    assert "not labelled: gone.png: no such file" in listed
    file = FieldFile(merged)
    assert len(file) == 3 + len(BROKEN) + 2
    for key in file.keys:
        good = key.startswith("good")
        assert (file.confidences(key).max() > 0) == good
        assert (file.problem(key) == "") == good
        assert file.status(key) in (("ok", "nobody", "several") if good else ("unreadable", "too_small"))
    assert file.status("small.png") == "too_small"


def test_an_image_that_changed_since_the_manifest_stops_the_stage(folder, capsys):
    noise_image(77).save(folder / "images/good1.png")
    assert find(folder) == 1
    assert "good1.png: has changed since the manifest was made" in capsys.readouterr().err
    assert not (folder / "fields.h5").exists()


def label(tmp_path: Path, **changes: str) -> int:
    rows = [
        field_row("a.jpg", "ok", 1),
        field_row("b.jpg", "unreadable", problem="no such file"),
        field_row("c.jpg", "several", 2),
        field_row("d.jpg", "too_small", problem="a side is shorter than 16 pixels"),
    ]
    write_field_rows(tmp_path / "fields.h5", rows)
    config = {"scheme": FIVE, "scheme_name": "five", "labels": LABELS | changes}
    return stage("labels", config=config, fields=tmp_path / "fields.h5", labels=tmp_path / "labels.h5")


def test_unreadable_images_fail_the_labels_by_name(tmp_path, capsys):
    assert label(tmp_path) == 1
    error = capsys.readouterr().err.strip()
    reason = "1 of 4 images cannot be read: b.jpg (no such file); fix them, or set labels.unreadable to leave_out"
    assert error == f"error: {tmp_path / 'fields.h5'}: {reason}"
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "labels.h5").exists()
    assert (tmp_path / "fields.h5").exists()


@pytest.mark.parametrize("kind", ["plain", "gated"])
def test_unreadable_images_are_left_out_as_unknown(tmp_path, kind):
    assert label(tmp_path, unreadable="leave_out", kind=kind) == 0
    file = LabelFile(tmp_path / "labels.h5")
    assert file.statuses == ["ok", "unreadable", "several", "too_small"]
    for key in file.keys:
        assert (file.label_map(key) == UNKNOWN).all() == (key in ("b.jpg", "d.jpg"))
    assert file.part_names == ["head", "arms", "torso", "legs", "feet"]
    assert file.mirrored == [0, 1, 2, 3, 4, 5]


def test_a_small_image_counts_by_its_own_name_at_the_gate(tmp_path, capsys):
    assert label(tmp_path, unreadable="leave_out") == 0
    paths = {"labels": tmp_path / "labels.h5", "fields": tmp_path / "fields.h5", "passed": tmp_path / "passed.txt"}
    limits = dict.fromkeys(Gate.model_fields) | {"unreadable": 0.25, "too_small": 0.25}
    assert stage("gate", config={"name": "mine", "gate": limits}, **paths) == 0
    assert stage("gate", config={"name": "mine", "gate": limits | {"too_small": 0.1}}, **paths) == 1
    assert "not good enough to train on: too_small is 0.25, more than 0.1. Look at" in capsys.readouterr().err
