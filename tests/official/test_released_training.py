"""The released code's warm-up and random erasing, by hand."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import ColorJitter

from reid.data.augmentation import (
    AS_IT_IS,
    Box,
    apply_to_image,
    draw_light,
    draw_official_erased_box,
    jittered,
    sample_augmentation,
)
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
    drawn = [sample_augmentation((200, 100), wanted, rng).erased for _ in range(2000)]
    erased = [box for box in drawn if box]
    assert len(erased) / len(drawn) == pytest.approx(0.5, abs=0.03)
    assert all(30 <= box.height <= 130 and 15 <= box.width <= 65 for box in erased)
    assert max(box.height * box.width for box in erased) > 0.4 * 200 * 100  # beyond Zhong et al.'s


def test_the_paper_s_boxes_are_those_of_zhong_et_al(config):
    wanted, rng = config.model("resnet50").augmentation, np.random.default_rng(0)
    drawn = [sample_augmentation((200, 100), wanted, rng).erased for _ in range(2000)]
    assert min(box.height * box.width for box in drawn if box) < 0.0225 * 200 * 100


def test_only_occluded_reid_has_jitter_and_flips(config):
    found = {name: config.model(name).augmentation for name in config.models if "official" in name}
    jittered = {name for name, augmentation in found.items() if augmentation.jitter}
    assert jittered == {name for name in found if name.endswith("occluded_reid")}
    assert len(jittered) == 3
    assert all((found[name].flip > 0) == (name in jittered) for name in found)


def test_half_of_the_images_are_lit_by_factors_around_one(config):
    wanted, rng = config.model("resnet50_official_occluded_reid").augmentation.jitter, np.random.default_rng(0)
    drawn = [draw_light(wanted, rng) for _ in range(4000)]
    lights = np.array([color_jitter for color_jitter in drawn if color_jitter])
    assert len(lights) / len(drawn) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(lights.min(0), [0.8, 0.85], atol=2e-3)
    np.testing.assert_allclose(lights.max(0), [1.2, 1.15], atol=2e-3)
    assert abs(np.corrcoef(lights.T)[0, 1]) < 0.05


def test_light_is_torchvision_s_and_changes_the_image_alone(config):
    image = np.random.default_rng(0).integers(0, 256, (16, 8, 3), np.uint8)
    jitter = ColorJitter(brightness=(1.2, 1.2), contrast=(0.9, 0.9))
    theirs = {}
    for seed in range(8):  # it draws the order, too
        torch.manual_seed(seed)
        theirs[jitter(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0).numpy().tobytes()] = seed
    assert jittered(image, 1.2, 0.9).tobytes() in theirs
    out, plain = np.zeros_like(image), np.zeros_like(image)
    apply_to_image(image, AS_IT_IS._replace(color_jitter=(1.2, 0.9)), out)
    apply_to_image(image, AS_IT_IS, plain)
    np.testing.assert_array_equal(out, jittered(image, 1.2, 0.9))
    np.testing.assert_array_equal(plain, image)


def test_no_jitter_leaves_the_draws_as_they_were(config):
    with_jitter = config.model("resnet50_official_occluded_reid").augmentation
    without = with_jitter.model_copy(update={"jitter": None})
    for seed in range(20):
        ours, plain = (
            sample_augmentation((200, 100), one, np.random.default_rng(seed)) for one in (with_jitter, without)
        )
        assert ours[:4] == plain[:4]
        assert plain.color_jitter is None


@pytest.mark.parametrize(
    ("dataset", "scheme", "suffix", "weight", "attention"),
    [
        ("market1501_released", "five_v", "", 1, 0.35),
        ("dukemtmc_released", "five_v", "", 1, 0.35),
        ("occluded_duke_released", "eight", "_occluded", 0, 0.35),
        ("p_dukemtmc_released", "eight", "_occluded", 0, 0.35),
        ("occluded_reid_released", "eight", "_occluded_reid", 1, 0.7),
    ],
)
def test_the_five_datasets_released_configurations(config, dataset, scheme, suffix, weight, attention):
    assert config.datasets[dataset].scheme == scheme
    assert config.datasets[dataset].labels_from.kind == "confidence_npy"
    sizes = {"resnet50_official": (256, 128), "resnet50_ibn_official": (384, 128), "hrnet_official": (384, 128)}
    for model, size in sizes.items():
        entry = config.model(model + suffix)
        assert entry.size == size
        assert (entry.loss.triplet_weights["foreground"], entry.loss.attention_weight) == (weight, attention)
        assert (entry.training.epochs, entry.training.ids_per_batch, entry.training.images_per_id) == (120, 16, 4)
