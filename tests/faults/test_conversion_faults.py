"""Labels of other programs that cannot be used: an image's problem, or one clear line and nothing written."""

import io
import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parsing.store import FieldFile
from tests.converting import convert, in_pixels, problems, write_array, write_images, write_json
from tests.labelling import GRID, SIZE, noise_image, skeleton

GOOD, BAD = "query/good.png", "query/bad.png"
MAPS = np.full((36, *GRID), 0.5, np.float32)
POINTS = in_pixels(skeleton(0.5), SIZE).astype(float).ravel().tolist()


class Planted:
    """Would leave a file behind if it were unpickled."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("planted"),)


def npy(array: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """A .npy file that promises an array of this shape, and holds four bytes of it."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + b"1234"


def archive() -> bytes:
    """A .npz archive of 64 MB of zeros in 64 kB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("maps.npy", bytes(2**26))
    return buffer.getvalue()


def with_value(value: float) -> bytes:
    maps = MAPS.copy()
    maps[3, 2, 1] = value
    return npy(maps)


ARRAYS = {
    "pickle in npy": (npy(np.array([Planted()], object), allow_pickle=True), "is no array"),
    "pickle": (pickle.dumps(Planted()), "is no array"),
    "text": (b"hello", "is no array"),
    "empty": (b"", "is no array"),
    "truncated": (npy(MAPS)[:-100], "is no array"),
    "only a header": (header((36, 9, 5)), "is no array"),
    "absurd": (header((36, 10**6, 10**6)), "is no array"),
    "absurd beyond numbers": (header((36, 10**12, 10**12)), "is no array"),
    "absurd until it is 0": (header((36, 2**31, 2**31)), "is no array"),
    "archive": (archive(), "is an archive"),
    "17 maps": (npy(MAPS[:17]), "holds float32 [17, 9, 5], not floats [36, h, w]"),
    "channels last": (npy(MAPS.transpose(1, 2, 0)), "holds float32 [9, 5, 36], not floats"),
    "batch": (npy(MAPS[None]), "holds float32 [1, 36, 9, 5], not floats"),
    "one cell": (npy(MAPS[:, :1, :1]), "holds float32 [36, 1, 1], not floats"),
    "no cell": (npy(MAPS[:, :0]), "holds float32 [36, 0, 5], not floats"),
    "too fine": (npy(np.zeros((36, 600, 2), np.float32)), "holds float32 [36, 600, 2], not floats"),
    "integers": (npy(np.ones((36, *GRID), np.uint8)), "holds uint8 [36, 9, 5], not floats"),
    "texts": (npy(np.full((36, *GRID), "x")), "not floats [36, h, w]"),
    "nan": (with_value(np.nan), "holds a value that is no number"),
    "infinite": (with_value(np.inf), "holds a value that is no number"),
    "too large": (with_value(1.5), "holds 0.5 to 1.5, which are no confidences"),
    "negative": (with_value(-0.5), "holds -0.5 to 0.5, which are no confidences"),
    "square": (npy(np.zeros((36, 9, 9), np.float32)), "its maps are square, but the image is 32 x 64"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_cannot_be_used(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    content, reason = ARRAYS[name]
    write_images(tmp_path, [GOOD, BAD])
    write_array(tmp_path / "labels/good.npy", MAPS)
    (tmp_path / "labels/bad.npy").write_bytes(content)
    assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 0
    assert_listed(tmp_path, capsys, reason)
    assert not (tmp_path / "planted").exists()


def assert_listed(folder: Path, capsys: pytest.CaptureFixture, reason: str) -> None:
    """The bad image alone has the problem, on one line, and no labels."""
    assert list(problems(folder)) == [BAD]
    assert reason in problems(folder)[BAD]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not labelled: ")]
    assert line == f"not labelled: {BAD}: {problems(folder)[BAD]}"
    file = FieldFile(folder / "fields.h5")
    assert (file.status(BAD), file.status(GOOD)) == ("unreadable", "ok")
    assert not file.confidences(BAD).any()
    assert not file.skeletons(BAD).any()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "its keypoints are not 17 x 2 or 17 x 3 numbers"),
        ({"keypoints": None}, "its keypoints are not 17 x 2"),
        ({"keypoints": POINTS[:50]}, "its keypoints are not 17 x 2"),
        ({"keypoints": POINTS + [0.0] * 24}, "its keypoints are not 17 x 2"),
        ({"keypoints": [POINTS]}, ""),
        ({"keypoints": [["x", 1, 2]] * 17}, "its keypoints are not 17 x 2"),
        ({"keypoints": [[1], [1, 2]]}, "its keypoints are not 17 x 2"),
        ({"keypoints": [float("nan"), *POINTS[1:]]}, "a value that is no number"),
        ({"keypoints": [float("inf"), *POINTS[1:]]}, "a value that is no number"),
        ({"keypoints": [*POINTS[:-1], 2.0]}, "score is not in 0..1; for COCO's flags set labels_from.third"),
        ({"keypoints": [*POINTS[:-1], -0.1]}, "score is not in 0..1"),
        ({"keypoints": [1000.0, 1000.0, 1.0] * 17}, "its keypoints lie outside its 32 x 64 pixels"),
        ({"keypoints": [1e300, 1e300, 1.0] * 17}, "its keypoints lie outside its 32 x 64 pixels"),
    ],
)
def test_keypoints_that_cannot_be_used(tmp_path, capsys, entry, reason):
    people = [{"image_id": GOOD, "keypoints": POINTS}, {"image_id": BAD, **entry}]
    assert convert_document(tmp_path, people) == 0
    if reason:
        assert_listed(tmp_path, capsys, reason)
    else:
        assert not problems(tmp_path)


def convert_document(folder: Path, content: object, **config: object) -> int:
    write_images(folder, [GOOD, BAD])
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "labels.json").write_text(text)
    return convert(folder, kind="coco_json", path=str(folder / "labels.json"), **config)


PEOPLE = [{"image_id": 1, "keypoints": POINTS}]


def test_flags_that_are_scores(tmp_path, capsys):
    flagged = np.column_stack([np.reshape(POINTS, (17, 3))[:, :2], [2] * 17]).ravel().tolist()
    people = [{"image_id": GOOD, "keypoints": flagged}, {"image_id": BAD, "keypoints": POINTS}]
    assert convert_document(tmp_path, people, third="visibility") == 0
    assert_listed(tmp_path, capsys, "visibility is not 0, 1 or 2; for scores set labels_from.third to score")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"id": 2, "file_name": BAD, "width": 1920, "height": 1080}, "it has 32 x 64 pixels, "),
        ({"id": 2, "file_name": "other.png"}, "does not list it among its images"),
    ],
)
def test_lists_of_images_that_do_not_fit(tmp_path, capsys, image, reason):
    content = {"images": [{"id": 1, "file_name": GOOD, "width": 32, "height": 64}, image]}
    people = [{"image_id": 1, "keypoints": np.where(np.reshape(POINTS, (17, 3)) == 0.9, 2, POINTS_OF).ravel().tolist()}]
    assert convert_document(tmp_path, content | {"annotations": people}) == 0
    assert_listed(tmp_path, capsys, reason)


POINTS_OF = np.column_stack([np.reshape(POINTS, (17, 3))[:, :2], [2] * 17])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is no JSON"),
        ('[{"image_id"', "is no JSON"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("7", "is neither a list of results nor has it lists of images and annotations"),
        ({"people": []}, "is neither a list of results"),
        ([1, 2], "holds something else than a list of people"),
        ({"images": [{"file_name": GOOD}], "annotations": []}, "lists an image without an id"),
        ({"images": [{"id": [1], "file_name": GOOD}], "annotations": []}, "lists an image without an id"),
        (PEOPLE, "entry 0: its image_id 1 names no image; set labels_from.images"),
        ([{"keypoints": POINTS}], "entry 0: its image_id None names no image"),
        ({"images": [{"id": 5, "file_name": GOOD}], "annotations": PEOPLE}, "entry 0: its image_id 1 names no image"),
        ([{"image_id": "elsewhere.png", "keypoints": POINTS}], "names none of the 2 images, such as query/bad.png"),
        ([{"image_id": "../../../etc/passwd", "keypoints": POINTS}], "names none of the 2 images"),
        ([], "names none of the 2 images"),
    ],
)
def test_a_document_that_cannot_be_used(tmp_path, capsys, content, reason):
    assert convert_document(tmp_path, content) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"error: {tmp_path / 'labels.json'}: ")
    assert reason in error
    assert "\n" not in error
    assert not (tmp_path / "fields.h5").exists()


def test_a_missing_document(tmp_path, capsys):
    write_images(tmp_path, [GOOD])
    assert convert(tmp_path, kind="coco_json", path=str(tmp_path / "none.json")) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.json'}: cannot be read (No such file or directory)\n"


def test_a_name_that_two_images_share(tmp_path, capsys):
    write_images(tmp_path, ["query/a.png", "gallery/a.png"])
    write_json(tmp_path / "labels.json", [{"image_id": "a.png", "keypoints": POINTS}])
    assert convert(tmp_path, kind="coco_json", path=str(tmp_path / "labels.json")) == 1
    error = capsys.readouterr().err
    assert "'a.png' may be gallery/a.png or query/a.png; write the path below the dataset's root" in error


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def bomb() -> bytes:
    content = png(Image.new("L", (16, 16)))
    chunk = b"IHDR" + struct.pack(">II", 30000, 30000) + content[24:29]
    return content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


PARTS = {
    "colours": (png(noise_image(1)), "(mode RGB), not one number"),
    "16 bits": (png(Image.fromarray(np.ones((16, 8), np.uint16))), "(mode I;16), not one number"),
    "jpeg": (None, "no PNG"),
    "truncated": (png(Image.new("L", (64, 64)))[:60], "bad.png: "),
    "empty": (b"", "no PNG"),
    "bomb": (bomb(), "DecompressionBomb"),
    "a number without a name": (
        png(Image.new("L", (16, 16), 77)),
        "has the number 77, which parsers.lip does not name",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_an_image_of_parts_that_cannot_be_used(tmp_path, capsys, name):
    content, reason = PARTS[name]
    write_images(tmp_path, [GOOD, BAD])
    (tmp_path / "labels").mkdir()
    Image.new("L", (16, 32), 13).save(tmp_path / "labels/good.png")
    if content is None:
        Image.new("L", (16, 32), 13).save(tmp_path / "labels/bad.png", "JPEG")
    else:
        (tmp_path / "labels/bad.png").write_bytes(content)
    assert convert(tmp_path, kind="part_png", file="{stem}.png", parser="lip") == 0
    assert_listed(tmp_path, capsys, reason)


def test_images_that_cannot_be_read_and_labels_that_are_missing(tmp_path, capsys):
    keys = [GOOD, "query/gone.png", "query/torn.png", BAD]
    write_images(tmp_path, keys)
    write_array(tmp_path / "labels/good.npy", MAPS)
    for name in ("gone", "torn"):
        write_array(tmp_path / f"labels/{name}.npy", MAPS)
    (tmp_path / "images/query/gone.png").unlink()
    (tmp_path / "images/query/torn.png").write_bytes(b"torn")
    assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 0
    found = problems(tmp_path)
    assert found["query/gone.png"] == "no such file"
    assert "no image that Pillow knows" in found["query/torn.png"]
    assert found[BAD] == f"no label file {tmp_path / 'labels/bad.npy'}"
    assert GOOD not in found


def test_an_image_that_changed_since_the_manifest_stops_the_stage(tmp_path, capsys):
    write_images(tmp_path, [GOOD])
    write_array(tmp_path / "labels/good.npy", MAPS)
    noise_image(77).save(tmp_path / "images" / GOOD)
    assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 1
    assert "good.png: has changed since the manifest was made" in capsys.readouterr().err


def test_a_naming_that_fits_no_image_is_one_error(tmp_path, capsys):
    write_images(tmp_path, [GOOD, BAD])
    write_array(tmp_path / "labels/good.npy", MAPS)
    assert convert(tmp_path, kind="confidence_npy", file="{folder}/{stem}.npy") == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    first = tmp_path / "labels/query/bad.npy"
    assert error.endswith(f"labels of none of 2 images can be used, the first: no label file {first}")
    assert not (tmp_path / "fields.h5").exists()


def test_a_key_that_leads_outside_is_not_followed(tmp_path, capsys):
    write_images(tmp_path, [GOOD])
    write_array(tmp_path / "labels/good.npy", MAPS)
    write_array(tmp_path / "secret.npy", MAPS)
    noise_image(1).save(tmp_path / "images/secret.png")
    (row,) = [line for line in (tmp_path / "manifest.csv").read_text().splitlines() if line.startswith(GOOD)]
    with open(tmp_path / "manifest.csv", "a") as file:
        file.write(row.replace(GOOD, "../images/" + GOOD) + "\n")
    assert convert(tmp_path, kind="confidence_npy", file="{folder}/../{stem}.npy") == 1  # refused by the configuration
    assert convert(tmp_path, kind="confidence_npy", file="{stem}.npy") == 1
    assert f"the key '../images/{GOOD}' leads outside the dataset" in capsys.readouterr().err
