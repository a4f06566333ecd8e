"""The released code's warm-up and random erasing, by hand."""

import numpy as np
import pytest

from reid.data.augmentation import Box, draw_official_erased_box, draw_placement
from reid.training.schedule import learning_rate


def test_the_rate_rises_once_an_epoch_from_a_hundredth(config):
    training = config.model("resnet50_official").training
    by_hand = {0: 3.5e-6, 0.99: 3.5e-6, 1: 3.815e-5, 5.5: 1.7675e-4, 9.99: 3.1535e-4, 10: 3.5e-4, 39.9: 3.5e-4,
               40: 3.5e-5, 70: 3.5e-6}  # fmt: skip
    assert {epoch: learning_rate(epoch, training) for epoch in by_hand} == pytest.approx(by_hand)


def test_the_paper_s_rate_rises_with_every_batch(config):
    training = config.model("resnet50").training
    assert learning_rate(0.5, training) == pytest.approx(3.5e-5 + 0.05 * (3.5e-4 - 3.5e-5))


def boxes(count=4000, size=(200, 100)) -> list[Box]:
    rng = np.random.default_rng(0)
    return [draw_official_erased_box(size, rng) for _ in range(count)]


def test_sides_are_15_to_65_percent_each_drawn_apart():
    drawn = boxes()
    tall, wide = np.array([(box.height, box.width) for box in drawn]).T
    assert (tall.min(), tall.max(), wide.min(), wide.max()) == (30, 130, 15, 65)
    assert tall.mean() == pytest.approx(80, abs=2)
    assert wide.mean() == pytest.approx(40, abs=1)
    assert abs(np.corrcoef(tall, wide)[0, 1]) < 0.05


def test_the_box_lies_anywhere_inside():
    drawn = boxes()
    bottoms, rights = ([box[i] + box[i + 2] for box in drawn] for i in (0, 1))
    assert (min(box.top for box in drawn), max(bottoms)) == (0, 200)
    assert (min(box.left for box in drawn), max(rights)) == (0, 100)
    tops = [box.top / (200 - box.height) for box in drawn]
    assert np.mean(tops) == pytest.approx(0.5, abs=0.02)


def test_the_recipe_erases_one_such_box_in_half_of_the_images(config):
    wanted, rng = config.model("resnet50_official").augmentation, np.random.default_rng(0)
    drawn = [draw_placement((200, 100), wanted, rng).erased for _ in range(2000)]
    erased = [box for box in drawn if box]
    assert len(erased) / len(drawn) == pytest.approx(0.5, abs=0.03)
    assert all(30 <= box.height <= 130 and 15 <= box.width <= 65 for box in erased)
    assert max(box.height * box.width for box in erased) > 0.4 * 200 * 100  # beyond Zhong et al.'s


def test_the_paper_s_boxes_are_those_of_zhong_et_al(config):
    wanted, rng = config.model("resnet50").augmentation, np.random.default_rng(0)
    drawn = [draw_placement((200, 100), wanted, rng).erased for _ in range(2000)]
    assert min(box.height * box.width for box in drawn if box) < 0.0225 * 200 * 100
