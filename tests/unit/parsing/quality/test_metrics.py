"""Accuracy of skeletons and labels, on people whose errors are known."""

import numpy as np
import pytest

from parsing.quality.metrics import correct_keypoints, judge, overlap_counts, similarity, summary
from tests.labelling import skeleton


def true_person(x: float) -> np.ndarray:
    person = skeleton(x)
    person[:, 2] = 2
    return person


def test_a_keypoint_is_right_within_a_tenth_of_the_height():
    truth, found = true_person(0.5), skeleton(0.5)  # 0.81 of the image high
    found[0, 1] += 0.080
    found[1, 1] += 0.082
    found[2, 0] += 0.16  # the image is half as wide as high
    found[3, 0] += 0.17
    found[4, 2] = 0
    truth[5, 2] = 1
    right = correct_keypoints(found, truth, aspect=0.5)
    assert right[:5].tolist() == [1, 0, 1, 0, 0]
    assert np.isnan(right[5])
    assert (right[6:] == 1).all()


def test_similarity_falls_with_distance_and_with_missing_keypoints():
    truth = true_person(0.5)
    assert similarity(skeleton(0.5), truth, 0.5) == pytest.approx(1)
    near, far = (similarity(skeleton(0.5 + shift), truth, 0.5) for shift in (0.02, 0.1))
    assert 1 > near > 0.8
    assert near > far
    half = skeleton(0.5)
    half[::2, 2] = 0
    assert similarity(half, truth, 0.5) == pytest.approx(8 / 17)
    assert similarity(skeleton(0.5), truth * [1, 1, 0], 0.5) == 0


def test_one_keypoint_by_its_formula():
    truth, found = true_person(0.5), skeleton(0.5)
    truth[1:, 2] = 1
    found[0, 1] += 0.03
    area = 0.53 * 0.41 * 0.81**2
    expected = np.exp(-(0.03**2) / (2 * area * (2 * 0.026) ** 2))
    assert similarity(found, truth, 0.5) == pytest.approx(expected, rel=1e-3)


def test_who_was_picked():
    nobody = np.zeros((4, 17, 3), np.float32)
    people = np.stack([true_person(0.5), true_person(0.9)])
    both = np.stack([skeleton(0.9), skeleton(0.5), *nobody[:2]])
    other = np.stack([skeleton(0.9), *nobody[:3]])
    assert judge(both, 1, people, 0.5)["right_person"] == 1
    assert judge(both, 0, people, 0.5)["right_person"] == 0
    assert judge(both, 1, people, 0.5)["found"]
    assert judge(other, 0, people, 0.5)["right_person"] == 0
    assert not judge(other, 0, people, 0.5)["found"]
    assert np.isnan(judge(both, 1, people[:1], 0.5)["right_person"])
    assert np.isnan(judge(nobody, None, people, 0.5)["right_person"])
    assert (judge(nobody, None, people, 0.5)["keypoints"] == 0).all()
    hidden = people.copy()
    hidden[1, :, 2] = 1
    assert np.isnan(judge(both, 1, hidden, 0.5)["right_person"])


def test_the_summary_counts_what_it_says():
    nobody = np.zeros((4, 17, 3), np.float32)
    people = np.stack([true_person(0.5), true_person(0.9)])
    both = np.stack([skeleton(0.5), skeleton(0.9), *nobody[:2]])
    means = summary([judge(both, 0, people, 0.5), judge(nobody, None, people, 0.5)])
    assert (means["images"], means["pck"], means["found"]) == (2, 0.5, 0.5)
    assert (means["right_person"], means["with_rivals"]) == (1, 1)
    assert means["pck_of"]["wrists"] == 0.5


def test_overlap_by_hand():
    labels = np.array([[0, 1, 1], [2, 2, 0]])
    truth = np.array([[0, 1, 0], [2, 1, 0]])
    both, either = overlap_counts(labels, truth, 2)
    assert both.tolist() == [2, 1, 1]
    assert either.tolist() == [3, 3, 2]
