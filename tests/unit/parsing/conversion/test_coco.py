"""COCO keypoints: read from every layout, drawn as the equation says, and labelled like PifPaf's maps."""

import json

import numpy as np
import pytest

from parsing.conversion.coco import read_people
from parsing.conversion.label_files import UnusableLabels
from parsing.conversion.limb_maps import STRIDE, draw_people, upright_height
from parsing.ground_truth import Truth
from parsing.labels.label_maps import MaskMaker
from parsing.labels.limbs import FIRST, RADIUS, SECOND
from parsing.store import FieldFile, LabelFile
from tests.converting import convert, in_pixels, problems, write_images, write_json
from tests.labelling import FIVE, LABELS, SIZE, skeleton, stage
from tests.unit.parsing.labels.test_label_maps import SCHEME

KEY, OTHER = "query/a.png", "query/b.png"


def flat(person: np.ndarray, columns: int = 3) -> list[float]:
    return in_pixels(person, SIZE)[:, :columns].astype(float).ravel().tolist()


def result(person: np.ndarray, **more: object) -> dict:
    return {"image_id": KEY, "category_id": 1, "keypoints": flat(person), "score": 0.8} | more


def converted(folder, content: object, **config: object) -> FieldFile:
    write_json(folder / "labels.json", content)
    write_images(folder, [KEY, OTHER])
    assert convert(folder, kind="coco_json", path=str(folder / "labels.json"), **config) == 0
    return FieldFile(folder / "fields.h5")


def test_results_become_skeletons_and_maps(tmp_path):
    person = skeleton(0.5)
    file = converted(tmp_path, [result(person)])
    np.testing.assert_allclose(file.skeletons(KEY)[0], person, atol=1e-6)
    assert not file.skeletons(KEY)[1:].any()
    assert [file.status(key) for key in (KEY, OTHER)] == ["ok", "nobody"]
    assert (file.stride, file.input_size, file.grid) == (STRIDE, SIZE, (17, 9))
    drawn = draw_people(in_pixels(person, SIZE)[None], SIZE, SIZE)
    np.testing.assert_array_equal(file.confidences(KEY), drawn)
    assert not file.confidences(OTHER).any()


PERSON = skeleton(0.5, 1.0)
FLAGS = np.where(np.arange(17) < 15, 2, 1).tolist()  # ankles hidden
FLAGGED = np.column_stack([in_pixels(PERSON, SIZE)[:, :2], FLAGS]).ravel().tolist()
IMAGES = [{"id": 7, "file_name": "a.png", "width": 32, "height": 64}, {"id": 8, "file_name": "b.png"}]
ANNOTATED = {
    "images": IMAGES,
    "annotations": [{"image_id": 7, "category_id": 1, "keypoints": FLAGGED, "num_keypoints": 15}],
}


@pytest.mark.parametrize(
    ("content", "config", "hidden"),
    [
        ([result(PERSON)], {}, 0),
        ([{"file_name": "a.png", "keypoints": flat(PERSON)}], {}, 0),
        ([{"image_id": "somewhere/a.png", "keypoints": flat(PERSON)}], {}, 0),
        ([result(PERSON, keypoints=flat(PERSON, 2))], {}, 0),
        ([result(PERSON, keypoints=np.reshape(flat(PERSON), (17, 3)).tolist())], {}, 0),
        ([result(PERSON, keypoints=FLAGGED)], {"third": "visibility"}, 2),
        (ANNOTATED, {}, 2),
        (ANNOTATED | {"annotations": [{"image_id": 7, "keypoints": flat(PERSON)}]}, {"third": "score"}, 0),
    ],
    ids=["results", "file_name", "path", "no scores", "nested", "flags", "annotations", "annotations with scores"],
)
def test_every_layout_gives_the_same_person(tmp_path, content, config, hidden):
    found = converted(tmp_path, content, **config).skeletons(KEY)[0]
    wanted = PERSON * (np.arange(17) < 17 - hidden)[:, None]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_numbers_of_images_are_looked_up_in_another_file(tmp_path):
    listed = write_json(tmp_path / "images.json", {"images": IMAGES})
    file = converted(tmp_path, [result(PERSON, image_id=7)], images=str(listed))
    assert [file.status(key) for key in (KEY, OTHER)] == ["ok", "nobody"]


def test_one_file_an_image(tmp_path):
    write_images(tmp_path, [KEY, OTHER])
    write_json(tmp_path / "labels/query/a.png.predictions.json", [{"keypoints": flat(PERSON), "score": 0.9}])
    write_json(tmp_path / "labels/query/b.png.predictions.json", [])
    assert convert(tmp_path, kind="coco_json", file="{folder}/{name}.predictions.json") == 0
    file = FieldFile(tmp_path / "fields.h5")
    assert (file.statuses, problems(tmp_path)) == (["ok", "nobody"], {})
    np.testing.assert_allclose(file.skeletons(KEY)[0], PERSON, atol=1e-6)


def test_people_are_sorted_by_score_and_others_left_out(tmp_path):
    people = [skeleton(x, 0.5 + x / 10) for x in (0.2, 0.8, 0.4, 0.6, 0.3)]
    entries = [result(person, score=score) for person, score in zip(people, (0.1, 0.9, 0.5, 0.7, 0.3), strict=True)]
    entries += [result(skeleton(0.5), category_id=3, score=1.0), result(skeleton(0.5), iscrowd=1, score=1.0)]
    entries += [result(np.zeros((17, 3)), score=1.0)]
    file = converted(tmp_path, entries)
    assert file.status(KEY) == "several"
    np.testing.assert_allclose(file.skeletons(KEY), [people[number] for number in (1, 3, 2, 4)], atol=1e-6)
    drawn = draw_people(np.stack([in_pixels(person, SIZE) for person in people]), SIZE, SIZE)
    np.testing.assert_allclose(file.confidences(KEY), drawn, atol=1)  # of all five


def test_without_scores_they_are_sorted_by_their_keypoints():
    people = [skeleton(0.3, 0.4), skeleton(0.6, 0.8)]
    entries = [{"keypoints": flat(person)} for person in people]
    np.testing.assert_allclose(read_people(entries, False, SIZE[::-1])[:, 0, 2], [0.8, 0.4], atol=1e-6)


def test_a_point_far_outside_is_not_found_and_a_near_one_is():
    person = in_pixels(skeleton(0.5), SIZE).astype(float)
    person[15, :2], person[16, :2] = (16, 80), (16, 400)  # below an image of 64 pixels
    (found,) = read_people([{"keypoints": person.ravel().tolist()}], False, SIZE[::-1])
    assert (found[15, 2] > 0, found[16].any()) == (True, False)
    with pytest.raises(UnusableLabels, match="lie outside its 32 x 64 pixels"):
        read_people([{"keypoints": (person + [500, 0, 0]).ravel().tolist()}], False, SIZE[::-1])


@pytest.mark.parametrize(("image", "size"), [((64, 32), (64, 32)), ((90, 41), (64, 32))])
def test_maps_are_drawn_as_the_equation_says(image, size):
    people = np.stack([in_pixels(skeleton(0.4, 0.9), image), in_pixels(skeleton(0.7, 0.6), image)]).astype(float)
    people[0, 7] = 0
    maps = draw_people(people, image, size)
    for channel in (0, 7, 11, 17, 22, 27, 34):
        for row in range(0, maps.shape[1], 3):
            for column in range(0, maps.shape[2], 2):
                x = (STRIDE * column + 0.5) * image[1] / size[1] - 0.5
                y = (STRIDE * row + 0.5) * image[0] / size[0] - 0.5
                wanted = max(strength(person, channel, (x, y), image[0]) for person in people)
                assert abs(int(maps[channel, row, column]) - 255 * wanted) <= 0.51


def strength(person: np.ndarray, channel: int, pixel: tuple[float, float], height: float) -> float:
    """drawn_c of one person at one pixel, the distance found by search along the limb."""
    start, end = person[FIRST[channel]], person[SECOND[channel]]
    limb = start[:2] + np.linspace(0, 1, 2001)[:, None] * (end - start)[:2]
    distance = float(np.hypot(*(limb - pixel).T).min())
    radius = RADIUS[channel] * upright_height(person, height)
    return float(np.sqrt(min(start[2], end[2])) * 2 ** -((distance / radius) ** 2))


def test_a_height_is_told_by_any_limb():
    person = in_pixels(skeleton(0.5), (200, 100))
    whole = upright_height(person, 1)
    assert 150 < whole < 300
    shoulders = person * np.isin(np.arange(17), (5, 6))[:, None]
    assert upright_height(shoulders, 1) == pytest.approx(20 / 0.24)
    ears = person * np.isin(np.arange(17), (1, 3))[:, None]
    assert 10 < upright_height(ears, 1) < whole
    assert upright_height(person * (np.arange(17) == 0)[:, None], 123) == 123


def test_limbs_keep_their_shape_whatever_the_size():
    person = skeleton(0.5)
    maker = [MaskMaker(SCHEME, size, STRIDE, tuple(n // 4 + 1 for n in size), 0.5) for size in ((256, 128), (128, 128))]
    tall, square = (
        one.labels(one.confidences(draw_people(in_pixels(person, (200, 100))[None], (200, 100), one.input_size)))
        for one in maker
    )
    assert (tall[::2] == square).mean() > 0.9


def test_true_keypoints_label_drawn_people_better_than_pifpaf(people, tmp_path):
    truth = Truth(people.truth)
    entries = [
        {"file_name": key, "keypoints": np.nan_to_num(person).ravel().tolist()}
        for key in truth.keys
        for person in truth.keypoints[truth.keys.index(key)][:1]
    ]
    write_json(tmp_path / "labels.json", entries)
    size = [*truth.size]
    labels_from = {"kind": "coco_json", "path": str(tmp_path / "labels.json"), "size": size, "third": "visibility"}
    fields, labels = tmp_path / "fields.h5", tmp_path / "labels.h5"
    config = {"root": str(people.root), "labels_from": labels_from}
    assert stage("convert", config=config, manifest=people.manifest, fields=fields) == 0
    config = {"scheme": FIVE, "scheme_name": "five", "labels": LABELS | {"kind": "gated"}}
    assert stage("labels", config=config, fields=fields, labels=labels) == 0
    config = {"root": str(people.root)}
    outputs = {"report": tmp_path / "qc.json", "table": tmp_path / "qc.csv", "sheet": tmp_path / "qc.png"}
    paths = {"manifest": people.manifest, "labels": labels, "fields": fields, "truth": people.truth}
    assert stage("quality", config=config, **paths, **outputs) == 0
    assert LabelFile(labels).grid == (size[0] // 4, size[1] // 4)
    report = json.loads(outputs["report"].read_text())
    assert report["truth"]["part_iou"]["mean"] > 0.4  # plain PifPaf labels: 0.31
    assert report["truth"]["pck"] == 1
