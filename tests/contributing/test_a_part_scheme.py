import numpy as np
import yaml

from parsing.labels.label_maps import MaskMaker
from parsing.schemes import part_scheme
from tests.contributing.conftest import configured

ENTRY = """
halves:
  parts:
    upper: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] # PifPaf's maps of keypoints: head, shoulders, elbows, wrists
    lower: [11, 12, 13, 14, 15, 16] # hips, knees, ankles
"""


def test_a_part_scheme_is_an_entry_of_config_yaml():
    scheme = part_scheme(configured(schemes=yaml.safe_load(ENTRY)).schemes["halves"])
    maps = np.zeros((36, 9, 5), np.uint8)  # stride 8 on 65 x 33 pixels
    maps[0, :4] = 230  # the nose is above,
    maps[15, 5:] = 230  # an ankle below
    maker = MaskMaker(scheme, (64, 32), 8, (9, 5), threshold=0.5)
    labels = maker.labels(maker.confidences(maps))
    assert scheme.part_names == ("upper", "lower")
    assert set(labels[:5].flat) == {1}
    assert set(labels[-5:].flat) == {2}
