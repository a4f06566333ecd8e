"""The released code's way from its label files to the labels of the attention's cells, by hand and by loops."""

import math

import numpy as np
import pytest
import torch

from parsing.labels.label_maps import MaskMaker
from parsing.schemes import UNKNOWN, PartScheme, part_scheme
from parsing.store import LabelFile
from reid.data.augmentation import AS_IT_IS, apply_to_confidences, apply_to_labels, source_cells
from reid.training.attention_targets import blended_labels_on_cells, labels_on_cells
from tests.converting import convert, write_array, write_images
from tests.labelling import LABELS, stage

NOTHING = torch.zeros(1, 4, 2, dtype=torch.uint8)


def test_shares_by_hand():
    confidences = torch.zeros(1, 2, 1, 2)
    confidences[0, :, 0, 0] = torch.tensor([0.6, 0.5])  # softmax(0, 9, 7.5) = 0.0001, 0.8175, 0.1824
    confidences[0, :, 0, 1] = torch.tensor([0.4, 0.3])  # background: softmax(15, 6, 4.5)
    labels = torch.zeros(1, 1, 2, dtype=torch.uint8)
    assert blended_labels_on_cells(labels, confidences, (1, 2)).tolist() == [[[1, 0]]]
    # three cells, the middle one halfway: background 0.5 (0.9998 + 0.0001), part 1 0.5 (0.8175 + 0.0001)
    assert blended_labels_on_cells(labels, confidences, (1, 3)).tolist() == [[[1, 0, 0]]]
    confidences[0, 0, 0, 1] = 0.55  # softmax(0, 8.25, 4.5): part 1 wins between two cells of its own
    assert blended_labels_on_cells(labels, confidences, (1, 3)).tolist() == [[[1, 1, 1]]]


@pytest.mark.parametrize("cells", [(16, 8), (4, 2), (7, 5), (32, 16)])
def test_against_a_loop_over_cells(cells):
    confidences = torch.rand(2, 3, 16, 8, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    found = blended_labels_on_cells(torch.zeros(2, 16, 8, dtype=torch.uint8), confidences, cells)
    for n in range(2):
        for row in range(cells[0]):
            for column in range(cells[1]):
                y, x = row * 15 / (cells[0] - 1), column * 7 / (cells[1] - 1)
                shares = np.zeros(4)
                for near_y in {math.floor(y), min(math.floor(y) + 1, 15)}:
                    for near_x in {math.floor(x), min(math.floor(x) + 1, 7)}:
                        c = confidences[n, :, near_y, near_x].numpy()
                        powers = np.exp(15 * np.array([float(c.max() < 0.5), *c]))
                        shares += max(0, 1 - abs(y - near_y)) * max(0, 1 - abs(x - near_x)) * powers / powers.sum()
                assert found[n, row, column] == shares.argmax()


def test_what_is_unknown_stays_unknown():
    labels = NOTHING.clone()
    labels[0, :, 1] = UNKNOWN
    found = blended_labels_on_cells(labels, torch.full((1, 2, 4, 2), 0.9), (2, 2))
    assert found[0, :, 1].tolist() == [UNKNOWN] * 2
    assert found[0, :, 0].tolist() == [1, 1]


def test_the_paper_s_recipe_takes_the_label_at_the_centre(config):
    assert config.model("resnet50").loss.attention_labels == "nearest"
    assert config.model("resnet50_official").loss.attention_labels == "blended"
    labels = torch.arange(8, dtype=torch.uint8).view(1, 4, 2)
    assert labels_on_cells(labels, (4, 2)).equal(labels.long())


def test_maps_are_resized_to_their_nearest_cells(config):
    scheme = part_scheme(config.schemes["five"])
    maps = np.random.default_rng(0).integers(0, 256, (36, 9, 5), np.uint8)
    found = MaskMaker(scheme, (64, 32), 8, (9, 5), 0.5, interpolation="nearest").confidences(maps)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(maps)[None].float(), (16, 8), mode="nearest")[0]
    expected = torch.stack([theirs[list(channels)].amax(0) for channels in scheme.channels])
    np.testing.assert_array_equal(found, expected.byte().numpy())


def released_target(maps: np.ndarray, scheme: PartScheme, size: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """Labels [h, w] of the attention's cells, one after another, from the maps [36, h, w] of a released file.

    Grouped by the maximum; background where no part reaches 0.5; softmax(15 x); to (H / 4, W / 4) by the nearest cell;
    to the attention's cells by bilinear interpolation, corner on corner; the largest.
    """
    grid, (map_rows, map_columns) = (size[0] // 4, size[1] // 4), maps.shape[1:]
    shares = np.zeros((*grid, 1 + len(scheme.channels)))
    for row in range(grid[0]):
        for column in range(grid[1]):
            there = maps[:, row * map_rows // grid[0], column * map_columns // grid[1]].tolist()
            parts = [max(there[channel] for channel in channels) for channels in scheme.channels]
            powers = np.exp(15 * np.array([float(max(parts) < 0.5), *parts]))
            shares[row, column] = powers / powers.sum()
    found = np.zeros(cells, int)
    for row in range(cells[0]):
        for column in range(cells[1]):
            y, x = row * (grid[0] - 1) / (cells[0] - 1), column * (grid[1] - 1) / (cells[1] - 1)
            blended = 0
            for near_y in {math.floor(y), math.ceil(y)}:
                for near_x in {math.floor(x), math.ceil(x)}:
                    blended += (1 - abs(y - near_y)) * (1 - abs(x - near_x)) * shares[near_y, near_x]
            found[row, column] = blended.argmax()
    return found


@pytest.mark.parametrize(
    ("size", "cells"),
    [((256, 128), (16, 8)), ((384, 128), (24, 8)), ((384, 128), (96, 32))],
)
def test_released_files_become_the_released_targets(config, tmp_path, size, cells):
    scheme, key = config.schemes["eight"], "a.png"
    write_images(tmp_path, [key], (128, 64))
    maps = np.random.default_rng(0).beta(1, 5, (36, 17, 9))
    maps = np.rint(255 * maps / maps.max()).astype(np.float32) / 255  # in the steps that our files have
    write_array(tmp_path / "labels/a.npy", maps)
    assert convert(tmp_path, "nearest", kind="confidence_npy", file="{stem}.npy", size=size) == 0
    slice_ = {"scheme": scheme.model_dump(), "scheme_name": "eight", "labels": LABELS | {"interpolation": "nearest"}}
    assert stage("labels", config=slice_, fields=tmp_path / "fields.h5", labels=tmp_path / "labels.h5") == 0
    labels = LabelFile(tmp_path / "labels.h5")
    source = source_cells(size, labels.grid, AS_IT_IS)  # as a model of that size asks for them
    placed = apply_to_labels(labels.label_map(key), source, False, labels.mirrored)
    confidences = apply_to_confidences(labels.confidences(key), source, False, labels.mirrored)
    shares = torch.from_numpy(confidences)[None].float() / 255
    found = blended_labels_on_cells(torch.from_numpy(placed)[None], shares, cells)[0].numpy()
    expected = released_target(maps, part_scheme(scheme), size, cells)
    np.testing.assert_array_equal(found, expected)
    assert set(expected.flat) == set(range(9))
